import { writeFileSync } from 'node:fs';
import type { EventBody, Routing } from '../../../../src/events/event';
import type { Plan, PlannedStage } from '../../../../src/plan/plan';
import { planVariants } from '../../../../src/plan/variants';
import { collectStudy, type Study } from '../../../../src/report/study/study';
import { withIndex } from '../../../../src/store/index';
import type { Workspace } from '../../../../src/store/layout';
import { experimentWith, inputsFor } from '../../plan/experiment';
import * as made from '../../store/synthetic';

export const STAGES = `  seed: { train: { mix: { general: 1 }, tokens: 64k } }
  law: { from: seed, train: { mix: { law: 1 }, tokens: 32k } }
  bam: { upcycle: { method: bam, experts: [seed, law] }, train: { tokens: 16k } }
  dense: { from: seed, train: { like: bam, match: data } }
  btx: { upcycle: { method: btx, experts: [seed, law] }, train: { like: bam, match: compute } }
`;
const HEAD = 'name: x\nseed: 1\ndomains: { general: { files: general/* }, law: { files: law/* } }\nstages:\n';

/** The plan of an experiment with these stages, `seed: 1` replaced by these lines. */
export function planOf(lines = 'seed: 1', stages = STAGES): Plan {
  const experiment = experimentWith(stages, { 'seed: 1': lines });
  const { tokenizer, domains } = inputsFor(experiment);
  return { tokenizer, domains, stages: planVariants(experiment, inputsFor(experiment)) } as unknown as Plan;
}

/** One router of the last evaluation, with this load of two experts. */
function router(layer: number, load: number[]): Routing {
  const maxViolation = Math.max(...load) * 2 - 1;
  const deadExperts = load.filter((share) => share === 0).length;
  return { layer, router: 'ffn', load, meanGate: load, entropy: 0.6, maxViolation, deadExperts };
}

interface MadeRun {
  plan: Plan;
  /** Perplexity in `law`; that in `general` is twice as much. `null` for a stage that fails. */
  law: (stage: PlannedStage) => number | null;
  /** Stages that this run takes from another one's cache. */
  cached?: { from: string; stages: string[] };
  /** What the run's copy of the file says. */
  file?: string;
}

/** Writes a run whose stages are finished with these perplexities, each evaluated before, after 50 and after 100 steps. */
export function writeRun(workspace: Workspace, id: string, { plan, law, cached, file = HEAD + STAGES }: MadeRun): void {
  const stages = plan.stages.flatMap((stage): EventBody[] => {
    const { name, key } = stage;
    const value = law(stage);
    if (value === null) return [{ type: 'stage.failed', stage: name, reason: 'not-finite', message: 'loss is NaN' }];
    const at = (step: number, factor: number): ReturnType<typeof made.evaluation> =>
      made.evaluation(step, { general: 2 * value * factor, law: value * factor }, routing);
    const layers = [router(0, [1, 0]), router(1, [0.4, 0.6])];
    const routing: Record<string, Routing[]> = stage.upcycle ? { law: layers } : {};
    if (cached?.stages.includes(name)) {
      return [{ type: 'stage.cached', stage: name, key, fromRun: cached.from, evaluation: at(100, 1) }];
    }
    return [
      { ...made.stageStarted(name), key } as EventBody,
      { type: 'evaluation', stage: name, ...at(0, 4) },
      { type: 'evaluation', stage: name, ...at(50, 2) },
      { ...made.stageFinished(name, at(100, 1)), key } as EventBody,
    ];
  });
  const names = plan.stages.map(({ name }) => name);
  made.writeEvents(workspace, id, [made.runStarted(id, names), ...stages, made.RUN_FINISHED]);
  writeFileSync(workspace.planFile(id), JSON.stringify(plan));
  writeFileSync(workspace.experimentFile(id), file);
}

/** The report on runs that `write` writes. */
export async function studyOf(
  write: (workspace: Workspace) => void,
  ids: readonly string[],
  baseline?: string,
): Promise<Study> {
  let study: Study | undefined;
  await made.withWorkspace(async (workspace) => {
    write(workspace);
    study = (await withIndex(workspace, (index) => collectStudy(workspace, index, ids, baseline))).value;
  });
  return study!;
}
