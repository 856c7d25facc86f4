import { columnNames } from '../../base/router-words';
import { meanOf, type Summary, summarize } from '../../base/statistics';
import type { Routing } from '../../events/event';
import type { RoutingPoint } from '../../store/curves';

/** The routers of a mixture's experts; those of adapters are in the report of a run. */
const EXPERT_ROUTERS = ['ffn', 'attention'] as const satisfies readonly Routing['router'][];

/** Where the tokens of one domain go, in the last evaluation: means over layers, then over seeds. */
export interface StudyRouting {
  group: string;
  router: (typeof EXPERT_ROUTERS)[number];
  domain: string;
  experts: string[];
  /** Share of the tokens by expert. */
  load: Summary[];
  /** Largest load of a layer over the fair load, minus 1. */
  maxViolation: Summary;
  /** Experts of a layer that got no token. */
  dead: Summary;
}

/**
 * The routing of the stages of one group, of each the points of its last evaluation and its experts' names, by domain in this order. Empty
 * for a dense model.
 */
export function studyRouting(
  group: string,
  members: readonly { experts: readonly string[]; points: readonly RoutingPoint[] }[],
  domains: readonly string[],
): StudyRouting[] {
  return EXPERT_ROUTERS.flatMap((router) =>
    domains.flatMap((domain) => {
      const seeds = members.flatMap(({ points }) => {
        const routers = points.find((point) => point.domain === domain)?.routers ?? [];
        const layers = routers.filter((one) => one.router === router);
        return layers.length ? [layers] : [];
      });
      if (!seeds.length) return [];
      const over = (read: (layer: Routing) => number): Summary =>
        summarize(seeds.map((layers) => meanOf(layers.map(read))))!;
      const experts = columnNames(router, members[0]!.experts, seeds[0]![0]!.load.length);
      const load = experts.map((_, expert) => over((layer) => layer.load[expert] ?? 0));
      const maxViolation = over((layer) => layer.maxViolation);
      return [{ group, router, domain, experts, load, maxViolation, dead: over((layer) => layer.deadExperts) }];
    }),
  );
}
