// The trainer process: runs one stage of a run, evaluates finished stages or tries what pruning would do, and ends. Its first argument is
// the path of a file with its TrainerOrder, EvaluationOrder or PruningOrder.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { BamError, explainError } from '../base/errors';
import { closeDomains, openDomains } from '../data/prepare';
import { loadTask, type Task } from '../data/tasks';
import { loadTokenizer, type Tokenizer } from '../data/tokenizer';
import { startBackend } from '../engine/backend';
import { catchUp } from '../events/attempt-logs';
import type { EventBody } from '../events/event';
import { EventLog } from '../events/log';
import {
  type EvaluationMessage,
  type EvaluationOrder,
  type PruningMessage,
  type PruningOrder,
  STOP_MESSAGE,
  type StoredPlan,
  TRAINER_EXIT,
  type TrainerOrder,
} from '../plan/order';
import type { Plan } from '../plan/plan';
import { checkpointsFolder, readResult, writeResult } from '../plan/result';
import { setForDecoding } from '../serve/decoding-settings';
import { evaluateStages } from './evaluate-stages';
import { Ownership } from './ownership';
import { profileStage } from './profile';
import { runStage } from './stage';
import { tryPruning } from './try-pruning';

/** How long a trainer without a launcher waits for another one that copies its log. */
const COPYING_MILLISECONDS = 2000;

/** Set by the launcher's message, by a signal, or when the launcher is gone: the stage then saves a checkpoint and ends. */
const stopping = new AbortController();
const stop = (): void => stopping.abort();
process.on('message', (message) => {
  if (message === STOP_MESSAGE) stop();
});
for (const event of ['disconnect', 'SIGTERM', 'SIGINT'] as const) process.on(event, stop);

async function train(order: TrainerOrder): Promise<number> {
  const attempt = attemptOf(order);
  const own = Ownership.take(order, attempt.number);
  const { log, repaired } = EventLog.open(attempt.eventsFile);
  const emit = (event: EventBody): void => {
    log.append(relativeFolder(event, order.folder));
    if (event.type !== 'step') log.flush();
    if (!own.keep()) stop();
  };
  try {
    if (repaired) emit({ type: 'note', level: 'warning', message: repaired });
    return await trainStage(order, emit, () => own.assert());
  } catch (error) {
    if (stopping.signal.aborted && error instanceof Error && error.name === 'AbortError') return TRAINER_EXIT.stopped;
    console.error(explainError(error));
    const reason = error instanceof BamError ? error.reason : 'unexpected';
    // What becomes of the stage, the later attempt says.
    if (reason === 'superseded') return TRAINER_EXIT.failed;
    emit({ type: 'stage.failed', stage: order.stage, reason, message: explainError(error) });
    return TRAINER_EXIT.failed;
  } finally {
    log.close();
    own.release();
    // The launcher is gone: nobody else copies the end of this log before the run is resumed.
    if (!order.job && !process.connected) await catchUp(order.runLog, COPYING_MILLISECONDS);
  }
}

/** Which attempt this process is, and the log that it writes: of a job that was started again, one of its own. */
function attemptOf({ eventsFile, job }: TrainerOrder): { number: number; eventsFile: string } {
  if (!job) return { number: 1, eventsFile };
  const number = job.firstAttempt + Number(process.env.SLURM_RESTART_COUNT ?? 0);
  return { number, eventsFile: join(dirname(eventsFile), `${number}.ndjson`) };
}

async function trainStage(
  order: TrainerOrder,
  emit: (event: EventBody) => void,
  assertOwner: () => void,
): Promise<number> {
  const { plan, stagesFolder, run, version } = order;
  const stage = plan.stages.find(({ name }) => name === order.stage)!;
  // On a node that the cluster lost, an earlier attempt may have come to the end.
  if (order.job && readResult(stagesFolder, stage.key)) return TRAINER_EXIT.finished;
  if (stage.serve) setForDecoding();
  const backend = await startBackend(plan.backend);
  if (backend.fellBackBecause) {
    const message = `Training on wasm, 10 to 40 times slower, since ${backend.fellBackBecause}.`;
    emit({ type: 'note', level: 'warning', stage: stage.name, message });
  }
  const tokenizer = loadTokenizer(plan.tokenizer.name, plan.folder);
  const domains = await openPlanned(order, tokenizer, (what, done, total) =>
    emit({ type: 'stage.preparing', stage: stage.name, what, done, total }),
  );
  try {
    const provenance = {
      experiment: plan.name,
      stage: stage.name,
      key: stage.key,
      run,
      tokenizer: tokenizer.name,
      version,
    };
    const context = {
      plan,
      stage,
      domains,
      tasks: await loadTasks(plan, tokenizer),
      tokenizer,
      provenance,
      emit,
      backend,
      checkpoints: (key: string) => checkpointsFolder(stagesFolder, key),
      stopRequested: () => stopping.signal.aborted,
      assertOwner,
    };
    if (order.profileFile) {
      await profileStage(context, order.profileFile);
      return TRAINER_EXIT.finished;
    }
    const outcome = await runStage(context);
    if (outcome.state === 'stopped') {
      emit({ type: 'stage.stopped', stage: stage.name, step: outcome.step });
      return TRAINER_EXIT.stopped;
    }
    const { step, seconds, engine, evaluation } = outcome;
    assertOwner();
    writeResult(stagesFolder, { key: stage.key, run, step, seconds, engine, evaluation });
    emit({ type: 'stage.finished', stage: stage.name, key: stage.key, step, seconds, evaluation });
    return TRAINER_EXIT.finished;
  } finally {
    closeDomains(domains);
  }
}

function openPlanned(
  { plan, dataFolder }: { plan: Plan; dataFolder: string },
  tokenizer: Tokenizer,
  onPacking: (what: string, done: number, total: number) => void,
): ReturnType<typeof openDomains> {
  return openDomains({
    experimentDomains: Object.fromEntries(plan.domains.map(({ name, config }) => [name, config])),
    folder: plan.folder,
    tokenizer,
    dataFolder,
    signal: stopping.signal,
    onProgress: (name, { doneBytes, totalBytes }) => onPacking(`packing ${name}`, doneBytes, totalBytes),
  });
}

/** The experiment's tasks, read again: a trainer's order has their settings only. */
function loadTasks({ tasks = [], folder, stages }: Plan, tokenizer: Tokenizer): Promise<Task[]> {
  const context = Math.min(...stages.map(({ architecture }) => architecture.context));
  return Promise.all(tasks.map(({ name, config }) => loadTask(name, config, { folder, tokenizer, context })));
}

/** What an order beside runs is executed with. */
interface SideWork {
  domains: Awaited<ReturnType<typeof openDomains>>;
  tokenizer: Tokenizer;
  engine: string;
}

/** Executes an order that belongs to no run. `stage` is named where corpora have to be packed first. */
async function beside(
  order: EvaluationOrder | PruningOrder,
  stage: string,
  work: (given: SideWork) => Promise<void>,
): Promise<number> {
  const { plan } = order;
  try {
    const { description: engine } = await startBackend(plan.backend);
    const tokenizer = loadTokenizer(plan.tokenizer.name, plan.folder);
    const domains = await openPlanned(order, tokenizer, (what, done) => tell({ type: 'progress', stage, what, done }));
    try {
      await work({ domains, tokenizer, engine });
      return TRAINER_EXIT.finished;
    } finally {
      closeDomains(domains);
    }
  } catch (error) {
    if (stopping.signal.aborted && error instanceof Error && error.name === 'AbortError') return TRAINER_EXIT.stopped;
    await tellAtLast({ type: 'failed', message: explainError(error) });
    return TRAINER_EXIT.failed;
  }
}

function tell(message: EvaluationMessage | PruningMessage): void {
  process.send?.(message);
}

/** The process may end behind this, and must not take the message with it. */
function tellAtLast(message: EvaluationMessage | PruningMessage): Promise<unknown> {
  return new Promise((resolve) => (process.send ? process.send(message, resolve) : resolve(undefined)));
}

function evaluateAnew(order: EvaluationOrder): Promise<number> {
  return beside(order, order.evaluate[0]!, async ({ domains, tokenizer, engine }) => {
    const tasks = order.tasks ? await loadTasks(order.plan, tokenizer) : [];
    await evaluateStages({ order, domains, tasks, tokenizer, engine, emit: tell, signal: stopping.signal });
  });
}

function tryToPrune({ prune: request, ...order }: PruningOrder): Promise<number> {
  return beside({ ...order, prune: request }, request.stage, async ({ domains }) => {
    const { plan, stagesFolder } = order;
    const report = await tryPruning({ plan, request, stagesFolder, domains, emit: tell, signal: stopping.signal });
    await tellAtLast({ type: 'report', report });
  });
}

/** Folders in a log are relative to `.bam`, so that the workspace may move. */
function relativeFolder(event: EventBody, folder: string): EventBody {
  return event.type === 'checkpoint' ? { ...event, folder: relative(folder, event.folder) } : event;
}

function readOrder(path: string): TrainerOrder | EvaluationOrder | PruningOrder {
  const order = JSON.parse(readFileSync(path, 'utf8')) as (TrainerOrder | EvaluationOrder | PruningOrder) & StoredPlan;
  const plan = order.planFile === undefined ? order.plan : (JSON.parse(readFileSync(order.planFile, 'utf8')) as Plan);
  return { ...order, plan };
}

async function start(): Promise<void> {
  try {
    const order = readOrder(process.argv[2]!);
    if ('prune' in order) process.exit(await tryToPrune(order));
    process.exit(await ('evaluate' in order ? evaluateAnew(order) : train(order)));
  } catch (error) {
    console.error(explainError(error));
    process.exit(TRAINER_EXIT.failed);
  }
}

void start();
