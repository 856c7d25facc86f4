import type { Plan } from '../../plan/plan';
import type { Workspace } from '../../store/layout';
import { readPlan } from '../../store/plan';

/**
 * Tells which runs differ in their seed only: their plans are the same without the seed, and without the stages' keys, which the seed is part
 * of. The plan and not the file, so that comments and layout do not count and the content of the data does. A run never changes its plan.
 */
export class ConfigKeys {
  private readonly known = new Map<string, string>();

  constructor(private readonly workspace: Workspace) {}

  /** The same text for runs of the same configuration. A run whose plan cannot be read stands alone. */
  of(run: string): string {
    const known = this.known.get(run);
    if (known !== undefined) return known;
    const plan = readPlan(this.workspace, run);
    if (!plan) return `run ${run}`;
    const key = withoutSeed(plan);
    this.known.set(run, key);
    return key;
  }
}

function withoutSeed({ name, backend, tokenizer, domains, stages }: Plan): string {
  const keyless = stages.map(({ key: _key, seed: _seed, parents, recipe, ...stage }) =>
    // Without recipes, in plans of older versions, what a stage is made of.
    recipe ? { name: stage.name, recipe } : { ...stage, parents: parents.map((parent) => parent.name) },
  );
  return JSON.stringify({ name, backend, tokenizer, domains, stages: keyless });
}
