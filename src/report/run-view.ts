import { isAdapterRouter } from '../base/router-words';
import type { LaterResult, Run, Stage } from '../messages/contract';
import { describeAdapters } from '../plan/adapting';
import { namedExperts } from '../plan/expert-names';
import type { Plan, PlannedStage } from '../plan/plan';
import { describeZeroComputation, parentsText } from '../plan/upcycling';
import { queryLastRouting, type RoutingPoint } from '../store/curves';
import type { Database } from '../store/database';
import type { Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { queryRun, type RunDetails, type StageResult, type StageSummary } from '../store/queries';
import { laterEvaluations, mostTokens, type StageEvaluation } from './later-evaluations';
import { pooledLoss } from './table';

/** What the contract allows of a name; a title may be longer. */
const MAXIMUM_NAME = 200;

/** A run as panels show it, from the index and its plan. Throws a `RunError` (reason `unknown-run`). */
export async function collectRunView(workspace: Workspace, index: Database, id: string): Promise<Run> {
  const run = await queryRun(workspace, index, id);
  const plan = readPlan(workspace, id);
  const planned = new Map(plan?.stages.map((stage) => [stage.name, stage]));
  const later = new Map(laterEvaluations(workspace, run.stages).map((found) => [found.stage, found]));
  const evaluated = run.stages.flatMap(({ result }) => Object.keys(result?.domains ?? {}));
  const { experiment, state, seed, started, seconds, message } = run;
  const alerts = alertsOf(run);
  for (const stage of run.stages) {
    const made = planned.get(stage.name);
    if (!made?.upcycle && !made?.split && !made?.prune) continue;
    const routing = await queryLastRouting(index, id, stage.name);
    alerts.push(...deadExperts(stage.name, routing, namedExperts(plan, stage.name).experts));
  }
  return {
    id,
    title: (run.title ?? id).slice(0, MAXIMUM_NAME),
    experiment,
    state,
    seed,
    started,
    seconds,
    message,
    domains: plan?.domains.map(({ name }) => name) ?? [...new Set(evaluated)],
    stages: run.stages.map((stage) => stageView(stage, plan, later.get(stage.name))),
    alerts,
  };
}

/** How a stage came about, in words. */
function methodOf(planned: PlannedStage): string {
  const { upcycle, split, prune, serve, ensemble, architecture } = planned;
  if (upcycle) {
    const others = upcycle.zeroComputation && describeZeroComputation(upcycle.zeroComputation);
    return [[upcycle.method, parentsText(planned)].filter(Boolean).join(' of '), others].filter(Boolean).join(', ');
  }
  if (ensemble) return `ensemble of ${parentsText(planned)}`;
  if (split) return 'split';
  if (prune) return 'prune';
  if (serve) return 'serve';
  return architecture.adapters ? describeAdapters(architecture.adapters) : 'train';
}

function stageView(stage: StageSummary, plan: Plan | undefined, later: StageEvaluation | undefined): Stage {
  const { name, state, step, steps, secondsLeft, detail, result } = stage;
  const planned = plan?.stages.find((one) => one.name === name);
  return {
    name,
    state,
    parents: [...new Set(planned?.parents.map((parent) => parent.name))],
    method: planned ? methodOf(planned) : 'train',
    step,
    steps: steps ?? planned?.train?.steps ?? null,
    secondsLeft,
    average: result?.average ?? null,
    pooledLoss: result && pooledLoss(result.domains),
    perplexity: perplexities(result?.domains),
    accuracy: accuracies(result?.tasks),
    later: later ? laterView(later) : null,
    ...namedExperts(plan, name),
    totalParameters: planned?.parameters.total ?? null,
    activeParameters: planned?.parameters.active ?? null,
    detail,
  };
}

function laterView(found: StageEvaluation): LaterResult {
  const { averagePerplexity: average, domains, tasks } = found.evaluation;
  return {
    tokens: mostTokens(found),
    average,
    pooledLoss: pooledLoss(domains),
    perplexity: perplexities(domains),
    accuracy: accuracies(tasks),
  };
}

function perplexities(domains: StageResult['domains'] = {}): Record<string, number> {
  return Object.fromEntries(Object.entries(domains).map(([domain, { perplexity }]) => [domain, perplexity]));
}

function accuracies(tasks: StageResult['tasks'] = {}): Record<string, number> {
  return Object.fromEntries(Object.entries(tasks).map(([task, { accuracy }]) => [task, accuracy]));
}

function alertsOf({ state, stages, notes, problems }: RunDetails): Run['alerts'] {
  const alerts: Run['alerts'] = [];
  if (state === 'interrupted') {
    const message = 'The run was cut off: its process is gone. Resume it to go on from the last checkpoint.';
    alerts.push({ level: 'error', stage: null, message });
  }
  for (const { name, state, detail } of stages) {
    if (state === 'failed') alerts.push({ level: 'error', stage: name, message: detail ?? 'failed' });
  }
  for (const { level, stage, message } of notes) if (level === 'warning') alerts.push({ level, stage, message });
  for (const problem of problems) {
    alerts.push({ level: 'warning', stage: null, message: `The log could not be read in full: ${problem}` });
  }
  return alerts;
}

/** One line for a stage whose last evaluation left experts, pruned ones not counted, without a token in every domain. */
function deadExperts(stage: string, points: readonly RoutingPoint[], experts: readonly string[]): Run['alerts'] {
  const alive = new Map<string, number[]>();
  for (const { routers } of points) {
    for (const { layer, router, load, removed } of routers) {
      // Their gates are soft: every expert works for every token.
      if (isAdapterRouter(router)) continue;
      const key = `${router === 'ffn' ? 'FFN' : 'attention'} router of layer ${layer}`;
      const total = alive.get(key) ?? load.map(() => 0);
      alive.set(
        key,
        load.map((share, i) => (removed?.includes(i) ? 1 : share + total[i]!)),
      );
    }
  }
  const dead = [...alive].flatMap(([key, load]) => {
    const names = load.flatMap((share, i) => (share === 0 ? [experts[i] ?? String(i)] : []));
    return names.length ? [`${names.join(', ')} (${key})`] : [];
  });
  if (!dead.length) return [];
  const message = `Dead experts in the evaluation at step ${points[0]!.step}, no token reached them: ${dead.join('; ')}.`;
  return [{ level: 'warning', stage, message }];
}
