import * as z from 'zod';
import { partialArchitecture } from '../architecture/stored';
import { readJson } from '../base/files';
import type { Plan } from '../plan/plan';
import type { Workspace } from './layout';

/** Most experts and copies of them; more are damage, and would take all memory where names are made for them. */
const MAXIMUM_EXPERTS = 100_000;
const few = z.int().min(0).max(MAXIMUM_EXPERTS);
const named = z.looseObject({ name: z.string(), key: z.string() });

const upcycleSchema = z
  .looseObject({
    method: z.string(),
    experts: z.array(z.string()).optional(),
    copies: few.optional(),
    zeroComputation: z.looseObject({ zero: few, copy: few, constant: few, tau: z.number() }).optional(),
  })
  .refine(({ experts = [], copies = 1 }) => experts.length * copies <= MAXIMUM_EXPERTS);

/** What views read of a stage; plans of older versions lack some of it, and later ones have more. */
const stageSchema = z.looseObject({
  name: z.string(),
  key: z.string(),
  seed: z.int().optional(),
  recipe: z.string().optional(),
  variant: z.looseObject({ stage: z.string(), seed: z.int(), values: z.record(z.string(), z.unknown()) }).optional(),
  parents: z.array(named),
  teacher: named.optional(),
  upcycle: upcycleSchema.optional(),
  split: z.looseObject({ experts: few, width: z.number(), shared: z.number(), importance: z.string() }).optional(),
  import: z.looseObject({ huggingFace: z.string(), model: z.string(), fingerprint: z.string() }).optional(),
  ensemble: z.looseObject({ weights: z.string() }).optional(),
  prune: z.looseObject({ method: z.string(), keep: z.number() }).optional(),
  train: z
    .looseObject({ mix: z.record(z.string(), z.number()), steps: z.number(), tokens: z.number(), flops: z.number() })
    .optional(),
  evaluation: z.looseObject({ every: z.number(), tokens: z.number() }),
  architecture: partialArchitecture,
  parameters: z.looseObject({ total: z.number(), active: z.number() }),
  flopsPerToken: z.number(),
});

const planSchema = z
  .looseObject({
    name: z.string().optional(),
    seed: z.int().optional(),
    backend: z.enum(['auto', 'native', 'wasm']).optional(),
    folder: z.string().optional(),
    tokenizer: z.looseObject({ name: z.string(), vocabulary: z.int(), fingerprint: z.string() }),
    domains: z.array(
      z.looseObject({
        name: z.string(),
        config: z.looseObject({ files: z.union([z.string(), z.array(z.string())]) }),
        fingerprint: z.string(),
        files: z.number(),
        bytes: z.number(),
      }),
    ),
    tasks: z.array(z.looseObject({ name: z.string(), fingerprint: z.string() })).optional(),
    stages: z.array(stageSchema),
  })
  .refine(({ stages }) => isInOrder(stages), {
    path: ['stages'],
    message: 'should come behind those that they start from',
  });

/** Whether no stage starts from itself or from one behind it: whoever follows parents comes to an end. */
function isInOrder(stages: readonly z.output<typeof stageSchema>[]): boolean {
  const places = new Map(stages.map(({ name }, i) => [name, i]));
  return (
    places.size === stages.length &&
    stages.every(({ parents }, i) => parents.every(({ name }) => (places.get(name) ?? -1) < i))
  );
}

/** The plan of a run; `undefined` where it is gone or damaged, which must not hide what the log knows. */
export function readPlan(workspace: Workspace, run: string): Plan | undefined {
  try {
    const plan = planSchema.parse(readJson(workspace.planFile(run))) as unknown as Plan;
    // Plans of older versions have one seed for all stages.
    return { ...plan, stages: plan.stages.map((stage) => ({ ...stage, seed: stage.seed ?? plan.seed })) };
  } catch {
    return undefined;
  }
}
