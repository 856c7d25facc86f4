import type { Architecture } from '../architecture/architecture';
import { EngineError } from '../base/errors';
import type { Batch } from '../data/sequences';
import type { TimedNode } from '../engine/graph/clock';
import { type Feed, Session } from '../engine/graph/session';
import { type GraphVariable, startName } from '../engine/graph/variables';
import { nativeBackend } from '../engine/ops/native';
import { drawn, NO_DRAWS } from '../model/draws';
import { createParameters, disposeParameters, type ParameterValues } from '../model/parameters';
import type { Moments } from './adamw';
import { optimizerFeeds } from './adamw-graph';
import type { Weighted } from './batches';
import { createTeacher, disposeTeacher, type TeacherSource } from './distill';
import { type Check, recordEvaluations, recordTraining, type RecordedTraining } from './record-pass';
import { RoutingStatistics } from './routing-statistics';
import type { Step, StepResult, TrainingBatch, TrainSettings } from './step';
import { buildStepGraph, type GraphForm, type GraphPass, type StepGraph } from './step-graph';

/** What a step is made for: every batch of training has this shape. */
export interface GraphStepOptions {
  architecture: Architecture;
  values: ParameterValues;
  moments?: Moments | undefined;
  settings: TrainSettings;
  teacher?: TeacherSource | undefined;
  /** Sequences of a pass. */
  sequences: number;
  /** Passes of an optimizer step. */
  passes: number;
  form: GraphForm;
  /** Which batches have weights; absent: none. */
  weighted?: Weighted;
  /** Puts clocks into the step, for `profile`. */
  clocks?: boolean;
}

type Losses = [number, number, number, number, number];

/** By how much a graph may differ from eager execution in a loss, of one above 1 as a share of it, and in the norm of the gradient as a share. */
const LOSS_TOLERANCE = 1e-4;
const NORM_TOLERANCE = 1e-3;

/** A training step as one TensorFlow graph, recorded from eager execution; parameters and moments live in its session. */
export class GraphStep implements Step {
  private constructor(
    private readonly options: Omit<GraphStepOptions, 'values' | 'moments' | 'teacher'>,
    private readonly model: StepGraph,
    private readonly session: Session,
  ) {}

  /**
   * Records, builds and loads the graph, and compares it with eager execution. Throws an `EngineError` where the model cannot
   * become a graph, TensorFlow does not take it, or it computes something else.
   */
  static create({ values, moments, teacher: taughtBy, ...options }: GraphStepOptions): GraphStep {
    const backend = nativeBackend();
    if (!backend) throw new EngineError('Only native TensorFlow runs a step as a graph.', { reason: 'not-native' });
    const { architecture, settings, sequences, weighted } = options;
    const parameters = createParameters(architecture, values);
    const teacher = taughtBy && createTeacher(taughtBy);
    const source = { backend, architecture, parameters, settings, teacher };
    let training: RecordedTraining;
    let model: StepGraph;
    try {
      training = recordTraining(source, sequences, weighted?.training);
      const evaluations = recordEvaluations(source, [sequences, 1], weighted?.evaluation);
      model = buildStepGraph({ ...options, binding: backend.binding, parameters, teacher, training, evaluations });
    } finally {
      disposeParameters(parameters);
      if (teacher) disposeTeacher(teacher);
    }
    const step = new GraphStep(options, model, Session.load(backend.binding, model.graph));
    try {
      step.start(values, moments, taughtBy?.values);
      step.compare(training.check);
      return step;
    } catch (error) {
      step.dispose();
      throw error;
    }
  }

  private start(values: ParameterValues, moments: Moments | undefined, teacher: ParameterValues | undefined): void {
    const feeds: Record<string, Feed> = {};
    const feed = (variable: GraphVariable, from: ReadonlyMap<string, Float32Array>, name: string): void => {
      feeds[startName(variable)] = { shape: variable.shape, values: from.get(name)! };
    };
    for (const [name, variable] of this.model.parameters) feed(variable, values, name);
    for (const [name, variable] of this.model.teacher) feed(variable, teacher!, name);
    for (const [name, { first, second }] of moments ? this.model.moments : []) {
      feed(first, moments!.first, name);
      feed(second, moments!.second, name);
    }
    const entries = Object.entries(feeds);
    const isParameter = ([key]: [string, Feed]): boolean => /^p\d+_start$/.test(key);
    this.session.run(Object.fromEntries(entries.filter(isParameter)), ['started']);
    const rest = Object.fromEntries(entries.filter((entry) => !isParameter(entry)));
    this.session.run(rest, [moments ? 'moments_started' : 'moments_zeroed']);
  }

  /** Runs a batch without updating, and compares what comes with what eager execution said. */
  private compare({ batch, expected }: Check): void {
    const { passes } = this.options;
    const batches = Array.from({ length: passes }, () => batch);
    const found = this.step(batches, optimizerFeeds(this.options.settings, 0, 1, false));
    const numbers = [...found.losses, found.norm].map((sum) => sum / passes);
    numbers.forEach((number, i) => {
      const eager = expected[i]!;
      const tolerance = i < found.losses.length ? LOSS_TOLERANCE * Math.max(1, eager) : NORM_TOLERANCE * eager;
      if (Math.abs(number - eager) <= tolerance || !Number.isFinite(eager)) return;
      const what = [
        ...['loss', 'loss of the language model', 'load balance', 'router z', 'distillation', 'norm of the gradient'],
      ][i]!;
      throw new EngineError(
        `The graph of a step should give a ${what} of ${eager}, as eager execution does, and gives ${number}.`,
        {
          reason: 'graph-differs',
        },
      );
    });
  }

  train(passes: readonly TrainingBatch[], learningRate: number, step: number, wantRouting: boolean): StepResult {
    const statistics = new RoutingStatistics();
    const feeds = optimizerFeeds(this.options.settings, learningRate, step + 1, true);
    const { losses, norm } = this.step(passes, feeds, wantRouting ? statistics : undefined);
    const mean = (sum: number): number => Math.fround(sum / passes.length);
    const [loss, languageModel, loadBalance, routerZ, distillation] = [...losses].map(mean) as Losses;
    const learnt = this.model.teacher.size ? { distillation } : {};
    const routing = statistics.summarize();
    return { loss, languageModel, loadBalance, routerZ, ...learnt, gradientNorm: mean(norm), routing };
  }

  /** A training step whose operations run one after the other, and when each did. For a step that was made with `clocks`. */
  profile(batch: TrainingBatch, learningRate: number, step: number): TimedNode[] {
    const { training } = this.model;
    const { nodes, times } = training.clocks!;
    const feeds = optimizerFeeds(this.options.settings, learningRate, step + 1, true);
    const [found] = this.pass(training, batch, [times, 'updated'], undefined, feeds);
    return nodes.map((node, i) => ({ node, start: found![i]!, end: found![i + 1]! }));
  }

  /** Sums over the passes. */
  private step(
    batches: readonly TrainingBatch[],
    feeds: Record<string, Feed>,
    statistics?: RoutingStatistics,
  ): { losses: Float32Array; norm: number } {
    const { training } = this.model;
    if (this.options.passes === 1) {
      const results = ['updated', training.losses, training.norm];
      const [, losses, norm] = this.pass(training, batches[0]!, results, statistics, feeds);
      return { losses: losses!, norm: norm![0]! };
    }
    batches.forEach((batch, i) => this.pass(training, batch, [i ? 'next' : 'first'], statistics));
    const [, losses, norm] = this.session.run(feeds, ['updated', training.losses, training.norm]);
    return { losses: losses!, norm: norm![0]! };
  }

  /** Feeds a batch and asks for some results, and for what the routers did if anybody wants to know. */
  private pass(
    { inputs, targets, weights, draws, routers }: GraphPass,
    batch: TrainingBatch,
    results: string[],
    statistics?: RoutingStatistics,
    feeds: Record<string, Feed> = {},
  ): Float32Array[] {
    this.checkIds(batch);
    const wanted = statistics ? routers : [];
    const choices = statistics?.followsChoices ?? false;
    const decisions = wanted.flatMap(({ probabilities, assigned, chosen }) =>
      [probabilities, assigned ?? [], (choices && chosen) || []].flat(),
    );
    const shape = [batch.inputs.length];
    const given: Record<string, Feed> = {
      [inputs]: { shape, values: batch.inputs },
      [targets]: { shape, values: batch.targets },
    };
    if (weights) given[weights] = { shape, values: batch.weights ?? new Float32Array(batch.targets.length).fill(1) };
    for (const [name, placeholder] of draws) given[placeholder] = drawn(batch.draws ?? NO_DRAWS, name);
    const found = this.session.run({ ...feeds, ...given }, [...results, ...decisions]);
    const rest = found.splice(results.length);
    for (const { layer, router, experts, removed, ffnExperts, assigned, chosen } of wanted) {
      const probabilities = rest.shift()!;
      statistics?.addNumbers({
        ...{ layer, router, experts, probabilities },
        ...(removed && { removed }),
        ...(ffnExperts && { ffnExperts }),
        ...(assigned && { assigned: rest.shift()! }),
        ...(choices && chosen && { chosen: rest.shift()! }),
      });
    }
    return found;
  }

  /** A graph does not say where an id is out of range, and XLA computes on. */
  private checkIds({ inputs, targets }: Batch): void {
    const { vocabulary } = this.options.architecture;
    for (const ids of [inputs, targets]) {
      const wrong = ids.findIndex((id) => id < 0 || id >= vocabulary);
      if (wrong < 0) continue;
      throw new EngineError(
        `A batch should have token ids from 0 to ${vocabulary - 1}, found ${ids[wrong]} at ${wrong}.`,
        {
          reason: 'token-range',
        },
      );
    }
  }

  evaluate(batch: Batch, routers: RoutingStatistics): number {
    const { context } = this.options.architecture;
    const whole = this.model.evaluations.get(batch.inputs.length / context);
    if (whole) {
      const [[loss]] = this.pass(whole, batch, [whole.loss], routers) as [Float32Array];
      return loss! * (whole.weights ? 1 : batch.targets.length);
    }
    // The last batch of a domain may be smaller: sequence by sequence then.
    let sum = 0;
    for (let at = 0; at < batch.inputs.length; at += context) {
      const part = <T extends Int32Array | Float32Array>(values: T): T => values.subarray(at, at + context) as T;
      const { inputs, targets, weights } = batch;
      const one = { inputs: part(inputs), targets: part(targets), ...(weights && { weights: part(weights) }) };
      sum += this.evaluate(one, routers);
    }
    return sum;
  }

  readParameters(): Map<string, Float32Array> {
    return this.read(this.model.parameters);
  }

  readMoments(): Moments {
    const of = (part: 'first' | 'second'): Map<string, Float32Array> =>
      this.read(new Map([...this.model.moments].map(([name, moments]) => [name, moments[part]])));
    return { first: of('first'), second: of('second') };
  }

  private read(variables: ReadonlyMap<string, GraphVariable>): Map<string, Float32Array> {
    const found = this.session.run(
      {},
      [...variables.values()].map(({ value }) => value),
    );
    return new Map([...variables.keys()].map((name, i) => [name, found[i]!]));
  }

  dispose(): void {
    this.session.dispose();
  }
}
