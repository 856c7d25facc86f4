import { type Architecture, denseArchitecture } from '../architecture/architecture';
import { writeVariantName } from '../base/variant-name';
import type { Experiment } from '../config/schema';
import { combinationsOf, type SweptValues, withValues } from '../config/sweep';
import { type PlanInputs, planStages } from './graph';
import type { Plan, PlannedStage } from './plan';

/** The experiment with one of its seeds and one combination of its swept values. */
interface Variant {
  seed: number;
  values: SweptValues;
  experiment: Experiment;
}

/** How a stage's variants are told apart: by the seed, or by a swept key. */
type Dimension = 'seed' | { path: string };

/**
 * Plans every variant of an experiment, one after the other, in an order in which their stages can run. Stages of one name with one key
 * are one stage; what decides the key beside the name is said in `variant` and in the stage's name, e.g. `bam@seed=2,loadBalance=0.01`.
 */
export function planVariants(experiment: Experiment, inputs: Omit<PlanInputs, 'dense' | 'unswept'>): PlannedStage[] {
  const variants = variantsOf(experiment);
  const plans = variants.map(({ experiment: one }) => {
    return planStages(one, { ...inputs, dense: denseOf(one, inputs.tokenizer), unswept: experiment });
  });
  const names = nameVariants(experiment, variants, plans);
  const nameOf = ({ name, key }: NamedKey): string => names.get(placeOf({ name, key }))!.name;
  const merged = new Map<string, PlannedStage>();
  for (const stage of plans.flat()) {
    const place = placeOf(stage);
    if (merged.has(place)) continue;
    const parents = stage.parents.map((parent) => ({ ...parent, name: nameOf(parent) }));
    const teacher = stage.teacher && { teacher: { ...stage.teacher, name: nameOf(stage.teacher) } };
    merged.set(place, { ...stage, parents, ...teacher, ...names.get(place) });
  }
  return [...merged.values()];
}

/** The dense model of an experiment, if it says its shape. */
export function denseOf({ model }: Experiment, { vocabulary }: Plan['tokenizer']): Architecture | undefined {
  return model.layers === undefined ? undefined : denseArchitecture(model, vocabulary);
}

/** A stage of the file with the key that it has in some variant. */
type NamedKey = Pick<PlannedStage, 'name' | 'key'>;

function placeOf({ name, key }: NamedKey): string {
  return JSON.stringify([name, key]);
}

/** What stages are called, and what they are variants by; of variants with one key the first gives the name. */
function nameVariants(
  experiment: Experiment,
  variants: readonly Variant[],
  plans: readonly PlannedStage[][],
): Map<string, Pick<PlannedStage, 'name' | 'variant'>> {
  const ways = dimensionsOf(experiment);
  const names = new Map<string, Pick<PlannedStage, 'name' | 'variant'>>();
  for (const stage of Object.keys(experiment.stages)) {
    const keys = plans.map((stages) => stages.find(({ name }) => name === stage)!.key);
    const decisive = ways.filter((way) => decides(way, ways, variants, keys));
    keys.forEach((key, i) => {
      const place = placeOf({ name: stage, key });
      if (!names.has(place)) names.set(place, describeVariant(stage, decisive, variants[i]!, experiment));
    });
  }
  return names;
}

function variantsOf(experiment: Experiment): Variant[] {
  const combinations = combinationsOf(experiment.sweep ?? {});
  return seedsOf(experiment).flatMap((seed) =>
    combinations.map((values) => ({ seed, values, experiment: withValues({ ...experiment, seed }, values) })),
  );
}

/** The seeds of an experiment: one, or those of `seeds`. */
export function seedsOf({ seed, seeds }: Pick<Experiment, 'seed' | 'seeds'>): number[] {
  return seeds ?? [seed];
}

/** The contexts of an experiment's variants, in tokens. */
export function contextsOf(experiment: Experiment): number[] {
  return variantsOf(experiment).map((variant) => variant.experiment.model.context);
}

function dimensionsOf(experiment: Experiment): Dimension[] {
  const paths = Object.entries(experiment.sweep ?? {}).filter(([, values]) => values.length > 1);
  return [...(seedsOf(experiment).length > 1 ? ['seed' as const] : []), ...paths.map(([path]) => ({ path }))];
}

/** Whether a stage's key, given for every variant, changes where variants differ in this dimension only. */
function decides(way: Dimension, ways: readonly Dimension[], variants: readonly Variant[], keys: string[]): boolean {
  const keyOfOthers = new Map<string, string>();
  return variants.some((variant, i) => {
    const others = JSON.stringify(ways.filter((other) => other !== way).map((other) => valueOf(other, variant)));
    const known = keyOfOthers.get(others);
    keyOfOthers.set(others, keys[i]!);
    return known !== undefined && known !== keys[i];
  });
}

function valueOf(way: Dimension, { seed, values }: Variant): unknown {
  return way === 'seed' ? seed : values[way.path];
}

function describeVariant(
  stage: string,
  decisive: readonly Dimension[],
  { seed, values }: Variant,
  { sweep = {} }: Experiment,
): Pick<PlannedStage, 'name' | 'variant'> {
  if (!decisive.length) return { name: stage };
  const paths = decisive.flatMap((way) => (way === 'seed' ? [] : way.path));
  const short = shortPaths(Object.keys(sweep));
  const labels = Object.fromEntries(paths.map((path) => [short[path]!, labelOf(values[path], sweep[path]!)]));
  const name = writeVariantName(stage, decisive.includes('seed') ? seed : null, labels);
  return { name, variant: { stage, seed, values: Object.fromEntries(paths.map((path) => [path, values[path]])) } };
}

/** Every path by its last keys, as many as tell it from the others: `stages.bam.train.batch` is `batch`, or `bam.train.batch`. */
export function shortPaths(paths: readonly string[]): Record<string, string> {
  const ends = (path: string): string[] => path.split('.').map((_, i, keys) => keys.slice(-1 - i).join('.'));
  const isShared = (end: string, path: string): boolean =>
    end === 'seed' || paths.some((other) => other !== path && other.endsWith(`.${end}`));
  return Object.fromEntries(paths.map((path) => [path, ends(path).find((end) => !isShared(end, path)) ?? path]));
}

/** Longest text of a value in a stage's name. */
const MAXIMUM_LABEL = 24;

/** A swept value as part of a stage's name: without commas and blanks; where that tells too little, with its place in the list. */
function labelOf(value: unknown, values: readonly unknown[]): string {
  const text = labelText(value);
  const isClear = text.length <= MAXIMUM_LABEL && values.filter((other) => labelText(other) === text).length === 1;
  return isClear ? text : `${text.slice(0, MAXIMUM_LABEL)}#${values.indexOf(value) + 1}`;
}

function labelText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text
    .replace(/[{}[\]"]/g, '')
    .replace(/,/g, '+')
    .replace(/[^A-Za-z0-9._:+-]/g, '_');
}
