import { denseArchitecture } from '../../../src/architecture/architecture';
import { parseExperiment } from '../../../src/config/parse';
import type { Experiment } from '../../../src/config/schema';
import { planStages, type PlanInputs } from '../../../src/plan/graph';
import type { PlannedDomain, PlannedStage } from '../../../src/plan/plan';

/** An experiment with these stages; `replace` changes words of the file around them. */
export function experimentWith(stages: string, replace: Record<string, string> = {}): Experiment {
  let text = `name: x
seed: 1
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 64 }
domains: { general: { files: general/* }, law: { files: law/* } }
stages:
${stages}`;
  for (const [from, to] of Object.entries(replace)) {
    if (!text.includes(from)) throw new Error(`the file has no ${from}`);
    text = text.replaceAll(from, to);
  }
  const { experiment, mistakes } = parseExperiment(text);
  if (!experiment) throw new Error(JSON.stringify(mistakes));
  return experiment;
}

/** What the plan finds on disk, with made-up fingerprints. */
export function inputsFor(experiment: Experiment, fingerprints: Record<string, string> = {}): PlanInputs {
  const domains = Object.entries(experiment.domains).map(([name, config]): PlannedDomain => ({
    name,
    config,
    fingerprint: fingerprints[name] ?? `content of ${name}`,
    files: 1,
    bytes: 1000,
  }));
  const tokenizer = { name: 'bytes', vocabulary: 257, fingerprint: 'bytes' };
  return { dense: denseArchitecture(experiment.model, 257), folder: '/', tokenizer, domains };
}

/** The planned stages by name. */
export function planned(experiment: Experiment, inputs = inputsFor(experiment)): Record<string, PlannedStage> {
  return Object.fromEntries(planStages(experiment, inputs).map((stage) => [stage.name, stage]));
}
