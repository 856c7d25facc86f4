import { mkdirSync } from 'node:fs';
import { TrainingError } from '../base/errors';
import {
  type Checkpoint,
  listCheckpoints,
  loadLatestCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
  type TrainingState,
} from '../checkpoint/checkpoint';
import type { Architecture } from '../architecture/architecture';
import type { MixtureSampler } from '../data/mixture';
import type { Evaluation, EventBody } from '../events/event';
import { createParameters } from '../model/parameters';
import type { PlannedStage, TrainPlan } from '../plan/plan';
import { startSampler, trainingPasses, weightedBatches } from './batches';
import { type ChosenStep, createStep } from './choose-step';
import type { TeacherSource } from './distill';
import { runEnsemble } from './ensemble-stage';
import { evaluate, EVALUATION_BATCH } from './evaluate';
import { EagerModel } from './evaluated-model';
import { importedParameters } from './imported';
import { type InitialParameters, initialParameters, loadFinal, withPrunedOf } from './initial';
import { processMemory } from './memory';
import type { RouterChoices } from './routing-statistics';
import { learningRate } from './schedule';
import { runServing } from './serve-stage';
import type { StageContext, StageOutcome } from './stage-context';
import { putTasks } from './stage-tasks';
import type { Step, StepResult } from './step';

/** Steps between routing statistics of the training batch. */
const ROUTING_EVERY = 10;

/**
 * Runs one stage to its end, from its last checkpoint if there is one: builds or loads parameters, trains, evaluates, saves.
 * Throws a `TrainingError` (reason `not-finite` or `diverged`) that names the step; checkpoints written before stay.
 */
export async function runStage(context: StageContext): Promise<StageOutcome> {
  const { plan, emit } = context;
  if (context.stage.ensemble) return runEnsemble(context);
  if (context.stage.serve) return runServing(context, context.stage.serve);
  const folder = context.checkpoints(context.stage.key);
  mkdirSync(folder, { recursive: true });
  const { checkpoint, problems } = loadLatestCheckpoint(folder);
  for (const message of problems) emit({ type: 'note', level: 'warning', stage: context.stage.name, message });
  const initial = checkpoint ? undefined : await firstParameters(context);
  const values = checkpoint?.parameters ?? initial!.values;
  const stage = withExperts(context.stage, checkpoint?.architecture ?? initial!.architecture);
  const chosen = createStep(plan.step ?? 'auto', context.backend, stage, values, {
    moments: checkpoint?.moments,
    weighted: weightedBatches(plan, stage),
    teacher: teacherOf(context),
  });
  const engine = `${context.backend.description}, ${chosen.form}`;
  const started = { stage: stage.name, key: stage.key, steps: stage.train?.steps ?? 0, engine };
  emit({ type: 'stage.started', ...started, fromStep: checkpoint?.training.step ?? 0 });
  const message = initial?.description ?? `going on from the checkpoint of step ${checkpoint!.training.step}`;
  emit({ type: 'note', level: 'info', stage: stage.name, message: `Stage ${stage.name}: ${message}.` });
  for (const remark of initial?.remarks ?? []) {
    emit({ type: 'note', level: 'info', stage: stage.name, message: `Stage ${stage.name}: ${remark}.` });
  }
  if (initial?.warning) emit({ type: 'note', level: 'warning', stage: stage.name, message: initial.warning });
  emit(stepNote(stage.name, chosen));
  try {
    const pruning = checkpoint?.pruning ?? initial?.pruning;
    const own = { ...context, stage, provenance: { ...context.provenance, ...(pruning && { pruning }) } };
    const base = checkpoint ? checkpoint.base : initial!.base;
    return await new StageRun(own, chosen.step, engine, folder, checkpoint, base).execute();
  } finally {
    chosen.step.dispose();
  }
}

/** What a stage learns from in training, if it has a teacher. Throws a `CheckpointError` where that has no checkpoint. */
export function teacherOf({ stage: { teacher, train }, checkpoints }: StageContext): TeacherSource | undefined {
  if (!teacher || !train?.distill) return undefined;
  const { architecture, parameters } = loadFinal(teacher.name, checkpoints(teacher.key));
  return { architecture, values: parameters, distill: train.distill };
}

/** A stage's first parameters, imported ones too. Throws as `initialParameters` and `importedParameters` do. */
export async function firstParameters(context: StageContext): Promise<InitialParameters> {
  const { plan, stage } = context;
  if (stage.import) return importedParameters(stage.import, stage.architecture.context, plan.folder);
  return initialParameters(plan, stage, context);
}

/** A stage of the plan with the experts that its checkpoint, or what it starts from, turned out to have. */
export function withExperts(stage: PlannedStage, found: Architecture | undefined): PlannedStage {
  return found ? { ...stage, architecture: withPrunedOf(stage.architecture, found) } : stage;
}

/** What the log says about how the steps of a stage run. */
function stepNote(stage: string, { form, why, fellBack }: ChosenStep): EventBody {
  const message = `Each step of stage ${stage} runs ${form}: ${why.replace(/\.$/, '')}.`;
  return { type: 'note', level: fellBack ? 'warning' : 'info', stage, message };
}

/** The training of one stage, from wherever it stands. */
class StageRun {
  private readonly train: TrainPlan | undefined;
  private readonly sampler: MixtureSampler | undefined;
  private readonly state: TrainingState;
  /** Time of this process; `state.seconds` counts all. */
  private since = performance.now();
  private lastEvaluation: Evaluation | undefined;
  /** What routers chose in it, by domain. */
  private readonly choices = new Map<string, RouterChoices>();
  /** The checkpoint that waits for the disk while training goes on, and why it could not be saved. */
  private saving: Promise<void> | undefined;
  private saveError: Error | undefined;

  constructor(
    private readonly context: StageContext,
    private readonly step: Step,
    /** What computes, and how. */
    private readonly engine: string,
    private readonly folder: string,
    checkpoint: Checkpoint | undefined,
    /** The checkpoint of the model that the stage's adapters adapt. */
    private readonly base: string | undefined,
  ) {
    this.train = context.stage.train;
    this.state = checkpoint?.training ?? { step: 0, draws: {}, seconds: 0 };
    // A stage that was stopped before its first step has drawn nothing.
    const { step: done, draws } = this.state;
    this.sampler = this.train && startSampler(context, this.train, done ? draws : undefined);
  }

  /** Trains to the end or until it is stopped. Every checkpoint is on the disk then, also where training ends with an error. */
  async execute(): Promise<StageOutcome> {
    try {
      return await this.run();
    } finally {
      await this.saving;
    }
  }

  private async run(): Promise<StageOutcome> {
    const steps = this.train?.steps ?? 0;
    if (this.state.step === 0) await this.evaluate();
    while (this.state.step < steps) {
      // A turn of the event loop, in which a request to stop comes in.
      await new Promise(setImmediate);
      if (this.saveError) throw this.saveError;
      if (this.context.stopRequested()) return this.stop();
      this.trainStep(this.train!);
      const { step } = this.state;
      if (step === steps) break;
      if (step % this.context.stage.evaluation.every === 0) await this.evaluate();
      if (step % this.train!.checkpointEvery === 0 || this.isBest()) await this.save();
    }
    const evaluation = this.state.step === 0 && this.lastEvaluation ? this.lastEvaluation : await this.evaluate();
    await this.save();
    await this.saved();
    const tasks = await this.evaluateTasks();
    if (!tasks) return this.stop();
    const { engine, state } = this;
    const { step, seconds } = state;
    return { state: 'finished', step, seconds, engine, evaluation: { ...evaluation, ...tasks } };
  }

  private async stop(): Promise<StageOutcome> {
    await this.saved();
    if (listCheckpoints(this.folder).at(-1) !== this.state.step) await this.save();
    await this.saved();
    return { state: 'stopped', step: this.state.step };
  }

  private trainStep(train: TrainPlan): void {
    const { step } = this.state;
    const begun = performance.now();
    const { stage } = this.context;
    const passes = trainingPasses(stage, train, this.sampler!.next(train.batch), step);
    const rate = learningRate(step, train);
    const result = this.step.train(passes, rate, step, step % ROUTING_EVERY === 0);
    checkHealth(stage, step, result);
    const seconds = (performance.now() - begun) / 1000;
    this.state.step++;
    this.state.draws = this.sampler!.position().draws;
    this.context.emit({
      type: 'step',
      stage: stage.name,
      ...this.progress(),
      ...result,
      learningRate: rate,
      tokensPerSecond: (train.batch * stage.architecture.context) / seconds,
      ...processMemory(),
    });
  }

  private progress(): { step: number; tokens: number; flops: number } {
    const { step } = this.state;
    const tokens = step * (this.train?.batch ?? 0) * this.context.stage.architecture.context;
    return { step, tokens, flops: this.train ? (this.train.flops / this.train.tokens) * tokens : 0 };
  }

  private async evaluate(): Promise<Evaluation> {
    const { stage, domains, emit } = this.context;
    const passSize = this.train ? this.train.batch / this.train.accumulate : EVALUATION_BATCH;
    const { choices } = this;
    const options = { plan: stage.evaluation, context: stage.architecture.context, batch: passSize, choices };
    const evaluation = await evaluate(this.step, domains, this.progress(), options);
    emit({ type: 'evaluation', stage: stage.name, ...evaluation });
    this.lastEvaluation = evaluation;
    return evaluation;
  }

  /** The tasks' results; nothing where there are no tasks, `undefined` if the user asked to stop. */
  private async evaluateTasks(): Promise<Pick<Evaluation, 'tasks'> | undefined> {
    const { tasks, stage } = this.context;
    if (!tasks.length) return {};
    const { architecture } = stage;
    const model = new EagerModel(architecture, createParameters(architecture, this.step.readParameters()));
    try {
      return await putTasks(model, this.context);
    } finally {
      model.dispose();
    }
  }

  /** True right after the evaluation with the lowest average perplexity so far. */
  private isBest(): boolean {
    const found = this.lastEvaluation;
    if (found?.step !== this.state.step) return false;
    return found.averagePerplexity < (this.state.best?.averagePerplexity ?? Infinity);
  }

  /** Writes a checkpoint, and takes note if it is the best so far. The checkpoint takes its name while training goes on. */
  private async save(): Promise<void> {
    await this.saved();
    const { stage, emit, provenance } = this.context;
    const now = performance.now();
    this.state.seconds += (now - this.since) / 1000;
    this.since = now;
    const best = this.isBest();
    const { step } = this.state;
    if (best) this.state.best = { step, averagePerplexity: this.lastEvaluation!.averagePerplexity };
    const checkpoint = {
      architecture: stage.architecture,
      parameters: this.step.readParameters(),
      moments: this.step.readMoments(),
      training: this.state,
      ...(this.base !== undefined && { base: this.base }),
    };
    const bestStep = this.state.best?.step;
    this.saving = saveCheckpoint(this.folder, checkpoint, provenance, this.context.assertOwner)
      .then((folder) => {
        pruneCheckpoints(this.folder, this.train?.keepCheckpoints ?? 1, bestStep);
        emit({ type: 'checkpoint', stage: stage.name, step, folder, best });
      })
      .catch((error: Error) => {
        this.saveError = error;
      });
  }

  /** Waits for the checkpoint that is being saved. Throws where it could not be. */
  private async saved(): Promise<void> {
    await this.saving;
    if (this.saveError) throw this.saveError;
  }
}

/** Loss above which training counts as diverged: twice that of guessing every token alike. */
function divergedLoss(vocabulary: number): number {
  return 2 * Math.log(vocabulary);
}

function checkHealth({ name, architecture }: PlannedStage, step: number, result: StepResult): void {
  const { loss, languageModel, gradientNorm } = result;
  const advice =
    'The last checkpoint is kept. Lower peakLearningRate or clip, or raise warmup; a changed stage starts anew, with its own key.';
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
    const what = Number.isFinite(loss) ? `gradient norm is ${gradientNorm}` : `loss is ${loss}`;
    throw new TrainingError(`Stage ${name} stopped at step ${step}: the ${what}.`, { reason: 'not-finite', advice });
  }
  const limit = divergedLoss(architecture.vocabulary);
  if (languageModel > limit) {
    const found = `the loss is ${languageModel.toFixed(2)}, twice that of guessing is ${limit.toFixed(2)}`;
    throw new TrainingError(`Stage ${name} diverged at step ${step}: ${found}.`, { reason: 'diverged', advice });
  }
}
