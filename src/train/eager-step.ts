import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import type { Batch } from '../data/sequences';
import { drawTensors, NO_DRAWS } from '../model/draws';
import { type ModelParameters, readParameters, trainedParameters } from '../model/parameters';
import type { RouterOutput } from '../model/routing';
import { AdamW, clipFactor, type Moments } from './adamw';
import { balanceRate, updateBalanceBiases } from './balance-bias';
import { createTeacher, disposeTeacher, type TeacherSource } from './distill';
import { EagerModel } from './evaluated-model';
import { type PassModel, trainingPass } from './pass';
import { RoutingStatistics } from './routing-statistics';
import type { Step, StepResult, TrainingBatch, TrainSettings } from './step';

type Scalars = [number, number, number, number, number, number];

/** Runs every operation as it comes ("eager"): works on every backend, and is the reference for faster forms. */
export class EagerStep implements Step {
  private readonly optimizer: AdamW;
  private readonly evaluated: EagerModel;
  private readonly model: PassModel;

  constructor(
    architecture: Architecture,
    private readonly parameters: ModelParameters,
    private readonly settings: TrainSettings,
    moments?: Moments,
    teacher?: TeacherSource,
  ) {
    const trained = trainedParameters(architecture, parameters, settings.freeze);
    this.optimizer = new AdamW(trained, settings, moments);
    this.evaluated = new EagerModel(architecture, parameters);
    const { tables } = this.evaluated;
    this.model = { architecture, parameters, tables, settings, teacher: teacher && createTeacher(teacher) };
  }

  train(passes: readonly TrainingBatch[], learningRate: number, step: number, wantRouting: boolean): StepResult {
    const statistics = new RoutingStatistics();
    return tf.tidy(() => {
      const gradients = new Map<string, tf.Tensor>();
      const routers: RouterOutput[] = [];
      const sums = tf.addN(passes.map((pass) => this.pass(pass, gradients, routers)));
      const { factor, norm } = clipFactor(gradients.values(), this.settings.clip * passes.length);
      const means = tf.div(tf.concat1d([sums, norm.reshape([1])]), passes.length);
      const [loss, languageModel, loadBalance, routerZ, distillation, gradientNorm] = [
        ...means.dataSync<'float32'>(),
      ] as Scalars;
      if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) {
        this.optimizer.apply(gradients, tf.div(factor, passes.length), learningRate, step + 1);
        const rate = balanceRate(this.model.architecture, this.settings);
        if (rate) updateBalanceBiases(this.parameters, routers, rate);
      }
      if (wantRouting) statistics.add(routers);
      const learnt = this.model.teacher && { distillation };
      const routing = statistics.summarize();
      return { loss, languageModel, loadBalance, routerZ, ...learnt, gradientNorm, routing };
    });
  }

  /** Adds one pass's gradients and decisions to what is given, and returns its losses, as `TrainingPass` has them. */
  private pass(batch: TrainingBatch, gradients: Map<string, tf.Tensor>, routers: RouterOutput[]): tf.Tensor1D {
    const [inputs, targets] = [batch.inputs, batch.targets].map((ids) => tf.tensor1d(ids, 'int32'));
    const weights = batch.weights && tf.tensor1d(batch.weights);
    const pass = trainingPass(this.model, inputs!, targets!, drawTensors(batch.draws ?? NO_DRAWS), weights);
    routers.push(...pass.routers);
    for (const [name, gradient] of pass.gradients) {
      const before = gradients.get(name);
      gradients.set(name, before ? tf.add(before, gradient) : gradient);
      if (before) tf.dispose([before, gradient]);
    }
    return pass.losses;
  }

  evaluate(batch: Batch, routers: RoutingStatistics): number {
    return this.evaluated.evaluate(batch, routers);
  }

  readParameters(): Map<string, Float32Array> {
    return readParameters(this.parameters);
  }

  readMoments(): Moments {
    return this.optimizer.read();
  }

  dispose(): void {
    this.optimizer.dispose();
    this.evaluated.dispose();
    if (this.model.teacher) disposeTeacher(this.model.teacher);
  }
}
