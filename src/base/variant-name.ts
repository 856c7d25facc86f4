/** What the name of a stage in a plan says, e.g. `bam@seed=2,loadBalance=0.01`. Stages of a file have neither `@` nor `,` in their names. */
export interface VariantName {
  /** The stage's name in the experiment file. */
  stage: string;
  /** The name without the seed, which stages that differ in their seed only have in common. */
  group: string;
  /** Swept values by the short name of their key, as text. */
  values: Record<string, string>;
  /** `null` where there is one for all. */
  seed: number | null;
}

const SEED = 'seed';

/** Takes the name of a stage in a plan apart. */
export function readVariantName(name: string): VariantName {
  const [stage = '', text] = name.split('@');
  const parts = (text?.split(',') ?? []).map((part): [string, string] => {
    const equals = part.indexOf('=');
    return [part.slice(0, equals), part.slice(equals + 1)];
  });
  const seed = parts.find(([key]) => key === SEED)?.[1];
  const values = Object.fromEntries(parts.filter(([key]) => key !== SEED));
  return {
    stage,
    group: writeVariantName(stage, null, values),
    values,
    seed: seed === undefined ? null : Number(seed),
  };
}

/** Items in the order of their stages' first, so that all variants of a stage stand together; `nameOf` gives the name in a plan. */
export function byStage<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  const stages = items.map((item) => readVariantName(nameOf(item)).stage);
  return [...new Set(stages)].flatMap((stage) => items.filter((_, i) => stages[i] === stage));
}

/** The name of a variant: the stage's own where nothing sets it apart. Values have no commas. */
export function writeVariantName(stage: string, seed: number | null, values: Readonly<Record<string, string>>): string {
  const parts = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  if (seed !== null) parts.unshift(`${SEED}=${seed}`);
  return parts.length ? `${stage}@${parts.join(',')}` : stage;
}
