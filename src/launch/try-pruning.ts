import { RunError } from '../base/errors';
import type { ExpertReport, TrialRequest } from '../plan/expert-report';
import type { PruningMessage, PruningOrder } from '../plan/order';
import type { Plan, PlannedStage } from '../plan/plan';
import type { Workspace } from '../store/layout';
import { finishedResult } from './finished';
import { DEVICE, waitForTurn } from './queue';
import { stagesNamed } from './run';
import { runSideProcess, type SideOutcome } from './side-process';

export interface TryPruningOptions {
  workspace: Workspace;
  plan: Plan;
  request: TrialRequest;
  /** The bundled trainer, dist/trainer.js. */
  trainerScript: string;
  signal: AbortSignal;
  onAhead: (ahead: number) => void;
  onProgress: (progress: Extract<PruningMessage, { type: 'progress' }>) => void;
}

/**
 * Finds out what pruning each expert of a finished mixture would do, in a process of its own that waits its turn. Throws a `RunError`
 * (`unknown-stage`, `several-stages`, `not-a-mixture`, `not-finished`, `other-mixture`, `no-router`, `no-masking`).
 */
export async function tryPruning(options: TryPruningOptions): Promise<SideOutcome & { report?: ExpertReport }> {
  const { workspace, plan, signal, onAhead, onProgress, trainerScript: script } = options;
  const request = checkRequest(options);
  const turn = await waitForTurn({ device: DEVICE, signal, onAhead });
  if (!turn) return { state: 'stopped' };
  const { dataFolder, stagesFolder } = workspace;
  const order: PruningOrder = { plan, prune: request, dataFolder, stagesFolder };
  let report: ExpertReport | undefined;
  const onMessage = (message: Exclude<PruningMessage, { type: 'failed' }>): void => {
    if (message.type === 'progress') onProgress(message);
    else report = message.report;
  };
  try {
    const outcome = await runSideProcess(order, { script, signal, onMessage });
    return { ...outcome, ...(report && { report }) };
  } finally {
    turn.release();
  }
}

/** Throws where experts have no router, or where its choices cannot leave one out. */
function requireRouting({ name, architecture }: PlannedStage, { routing }: TrialRequest): void {
  const { ffnRouting, router } = architecture.mixture!;
  if (ffnRouting === 'hash') {
    throw new RunError(`Expected a mixture with routers, found ${name}, whose tokens are hashed.`, {
      reason: 'no-router',
    });
  }
  if (routing === 'zero' || !(router?.balanceBias || router?.normalizeLogits)) return;
  throw new RunError(`The routers of ${name} are balanced or normalised over all experts, and cannot leave one out.`, {
    reason: 'no-masking',
    advice: 'Leave out --routing masked.',
  });
}

/** The request with the names of the plan. */
function checkRequest({ workspace, plan, request }: TryPruningOptions): TrialRequest {
  const stage = finishedMixture(workspace, plan, request.stage);
  requireRouting(stage, request);
  if (request.since === undefined) return { ...request, stage: stage.name };
  const since = finishedMixture(workspace, plan, request.since);
  const [own, earlier] = [stage.architecture.mixture!.experts, since.architecture.mixture!.experts];
  if (own !== earlier || since.architecture.layers !== stage.architecture.layers) {
    throw new RunError(
      `Expected an earlier stage with ${own} experts, as ${stage.name} has; ${since.name} has ${earlier}.`,
      {
        reason: 'other-mixture',
        advice: 'Name a stage of the same mixture as --since.',
      },
    );
  }
  return { ...request, stage: stage.name, since: since.name };
}

function finishedMixture(workspace: Workspace, plan: Plan, name: string): PlannedStage {
  const names = stagesNamed(plan, [name]);
  if (names.length > 1) {
    throw new RunError(`Expected one stage, found ${names.length} variants of ${name}: ${names.join(', ')}.`, {
      reason: 'several-stages',
      advice: `Give the whole name of one, e.g. ${names[0]}.`,
    });
  }
  const stage = plan.stages.find((one) => one.name === names[0])!;
  if (!stage.architecture.mixture || stage.ensemble || stage.serve) {
    throw new RunError(`Expected a mixture, found ${stage.name}, which has no experts.`, { reason: 'not-a-mixture' });
  }
  if (!finishedResult(workspace, stage)) {
    throw new RunError(
      `Expected a stage that is finished with the data and settings as they are now; ${stage.name} is not.`,
      {
        reason: 'not-finished',
        advice: `Run it first: bam run FILE --stages ${stage.name}`,
      },
    );
  }
  return stage;
}
