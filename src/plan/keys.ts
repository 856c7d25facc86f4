import { createHash } from 'node:crypto';
import type { Architecture } from '../architecture/architecture';
import type { EvaluationPlan, Plan, PlannedStage } from './plan';

/** Raised when a change of the program changes what a stage computes, so that old results are not taken for new ones. */
const RESULT_VERSION = 1;

/** What a stage is made by, beside the stages that it needs. */
type Making = Pick<
  PlannedStage,
  'architecture' | 'upcycle' | 'ensemble' | 'split' | 'prune' | 'serve' | 'import' | 'train'
> & {
  evaluation: EvaluationPlan;
};

/** The stages that a stage needs, planned. */
interface Needed {
  parents: readonly PlannedStage[];
  teacher?: PlannedStage | undefined;
}

/**
 * Hashes all that decides a stage's result: parents, architecture, training, the content of the data, and in the key the seed. Left out is
 * what changes no number: names, how often to evaluate, how many checkpoints to keep, what a budget stands for. An expert that is listed twice counts once in
 * the means of shared parameters, which it did not always: keys of such mixtures say so.
 */
export function stageHashes(
  seed: number,
  stage: Making,
  { parents, teacher }: Needed,
  { tokenizer, domains }: Pick<Plan, 'tokenizer' | 'domains'>,
): Required<Pick<PlannedStage, 'key' | 'recipe'>> {
  const { checkpointEvery, keepCheckpoints, parentFlops, ...train } = stage.train ?? {};
  const keys = parents.map(({ key }) => key);
  const repeats = new Set(keys).size < keys.length;
  const content = {
    version: RESULT_VERSION,
    upcycle: stage.upcycle && { ...stage.upcycle, experts: undefined, ...(repeats && { means: 'distinct' }) },
    ensemble: stage.ensemble?.weights,
    split: stage.split,
    prune: stage.prune && { ...stage.prune, since: undefined },
    serve: stage.serve,
    imported: stage.import?.fingerprint,
    train,
    evaluationTokens: stage.evaluation.tokens,
    tokenizer: tokenizer.fingerprint,
    domains: domains.map(({ name, fingerprint }) => [name, fingerprint]),
  };
  const { architecture } = stage;
  return {
    key: hashOf({ ...content, seed, architecture, parents: keys, teacher: teacher?.key }),
    recipe: hashOf({
      ...content,
      architecture: withoutSeeds(architecture),
      parents: parents.map(({ recipe }) => recipe),
      teacher: teacher?.recipe,
    }),
  };
}

/** An architecture without what follows from the stage's seed. */
function withoutSeeds({ mixture, ...architecture }: Architecture): Architecture {
  if (!mixture) return architecture;
  const { hashSeed, ...rest } = mixture;
  return { ...architecture, mixture: rest };
}

function hashOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content, sortKeys)).digest('hex').slice(0, 20);
}

/** A replacer for JSON.stringify that writes the keys of objects in order, so that equal content gives equal text. */
function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
