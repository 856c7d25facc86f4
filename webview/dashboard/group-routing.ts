import { columnNames, ROUTER_KINDS, type RouterKind } from '../../src/base/router-words';
import { meanOf } from '../../src/base/statistics';
import { readVariantName } from '../../src/base/variant-name';
import type { Router, RoutingPoint, Run } from '../../src/messages/contract';
import type { PointStore, StageData } from '../shared/stage-data';
import type { Choices } from './choices';
import { groupsOf, type StageGroup } from './stage-groups';

interface Source {
  readonly run: Run;
  readonly points: PointStore;
  readonly choices: Choices;
}

/** Groups of stages that have routers and of which routing is known. */
export function mixtures({ run, points, choices }: Source): StageGroup[] {
  const groups = groupsOf(run.stages, choices.joinsSeeds);
  return groups.filter(({ stages }) => stages.some(({ name }) => points.of(run.id, name).hasRouting));
}

/** The group that is chosen, by its own name or that of one of its stages, else the first; `undefined` where there is none. */
export function chosenMixture(source: Source): StageGroup | undefined {
  const { mixture } = source.choices;
  const groups = mixtures(source);
  const isChosen = ({ label, stages }: StageGroup): boolean =>
    label === mixture || stages.some(({ name }) => name === mixture);
  return groups.find(isChosen) ?? groups.find(({ label }) => readVariantName(label).group === mixture) ?? groups[0];
}

/** The experts of a group's routers by name; numbers for adapters, and where the plan is gone. */
export function expertsOf({ stages }: StageGroup, router: RouterKind, count: number): string[] {
  return columnNames(router, stages[0]!.experts, count);
}

/** The data of the stages of a group. */
export function dataOf({ run, points }: Source, { stages }: StageGroup): StageData[] {
  return stages.map(({ name }) => points.of(run.id, name));
}

/** The steps at which routing is known of some stage, in a domain's held-out text or in training batches (`null`). */
export function routingSteps(data: readonly StageData[], domain: string | null): number[] {
  const steps = data.flatMap((one) => one.routing(domain).map(({ step }) => step));
  return [...new Set(steps)].sort((a, b) => a - b);
}

/** What the routers did at a step: of several stages the mean of those that have it; no routers where none has. */
export function routersAt(data: readonly StageData[], domain: string | null, step: number | undefined): Router[] {
  const found = data.flatMap((one) => one.routing(domain).find((point) => point.step === step) ?? []);
  return meanRouters(found);
}

/** The mean of points, router by router of the first. */
export function meanRouters(points: readonly Pick<RoutingPoint, 'routers'>[]): Router[] {
  const [first] = points;
  if (!first || points.length === 1) return first?.routers ?? [];
  return first.routers.map((router) => {
    const same = points.flatMap(({ routers }) => findRouter(routers, router.router, router.layer) ?? []);
    const mean = (read: (one: Router) => number): number => meanOf(same.map(read));
    const each = (read: (one: Router) => readonly number[]): number[] =>
      read(router).map((_, i) => mean((one) => read(one)[i] ?? 0));
    const ffnPerToken = same.flatMap((one) => one.ffnPerToken ?? []);
    const saturations = same.flatMap(({ saturation }) => saturation ?? []);
    // Each seed may have pruned others: struck out are those that none has.
    const { removed: gone, ...whole } = router;
    const removed = gone?.filter((expert) => same.every((one) => one.removed?.includes(expert)));
    return {
      ...whole,
      ...(removed?.length && { removed }),
      load: each(({ load }) => load),
      meanGate: each(({ meanGate }) => meanGate),
      entropy: mean(({ entropy }) => entropy),
      maxViolation: mean(({ maxViolation }) => maxViolation),
      deadExperts: mean(({ deadExperts }) => deadExperts),
      ...(ffnPerToken.length && { ffnPerToken: meanOf(ffnPerToken) }),
      ...(router.coActivation && { coActivation: each(({ coActivation = [] }) => coActivation) }),
      ...(saturations.length && { saturation: meanOf(saturations) }),
    };
  });
}

/** The kinds of routers that there are, and the chosen one of them, else the first. */
export function kindsOf(routers: readonly Router[], { router }: Choices): { kinds: RouterKind[]; kind: RouterKind } {
  const kinds = ROUTER_KINDS.filter((kind) => routers.some((one) => one.router === kind));
  return { kinds, kind: kinds.includes(router) ? router : (kinds[0] ?? 'ffn') };
}

/** The layers that have a router of a kind, and the chosen one of them, else the first. */
export function layersOf(
  routers: readonly Router[],
  kind: RouterKind,
  { layer }: Choices,
): { layers: number[]; layer: number } {
  const layers = [...new Set(routers.filter((one) => one.router === kind).map((one) => one.layer))];
  return { layers, layer: layers.includes(layer) ? layer : (layers[0] ?? 0) };
}

/** The router of a kind in a layer. */
export function findRouter(routers: readonly Router[], kind: Router['router'], layer: number): Router | undefined {
  return routers.find((one) => one.router === kind && one.layer === layer);
}

/** Pairs (0, 1), (0, 2), ..., (1, 2), ... as a square of all experts; `null` on the diagonal. */
export function pairMatrix(pairs: readonly number[], experts: number): (number | null)[][] {
  const at = (i: number, j: number): number => i * experts - (i * (i + 1)) / 2 + (j - i - 1);
  return Array.from({ length: experts }, (_, row) =>
    Array.from({ length: experts }, (_, column) =>
      row === column ? null : (pairs[at(Math.min(row, column), Math.max(row, column))] ?? null),
    ),
  );
}

/** `bam` or over seeds `bam, mean over 3 seeds`. */
export function groupText({ label, stages }: StageGroup): string {
  return stages.length > 1 ? `${label}, mean over ${stages.length} seeds` : label;
}
