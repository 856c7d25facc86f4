import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import type { Architecture } from '../architecture/architecture';
import { elementCount } from '../architecture/parameters';
import type { RouterKind } from '../base/router-words';
import { deriveSeed, uniformGenerator } from '../base/random';
import type { Batch } from '../data/sequences';
import { resizeTape, type SizedTape } from '../engine/graph/resize-tape';
import { record, type Tape, tensorId } from '../engine/graph/tape';
import { sumOfSquares } from '../engine/ops/sum-of-squares';
import { attentionTables } from '../model/attention';
import { drawRouting, type Draws, drawTensors, type DrawTensors, NO_DRAWS } from '../model/draws';
import type { ModelParameters } from '../model/parameters';
import type { RouterOutput } from '../model/routing';
import type { Teacher } from './distill';
import { evaluationPass, type PassModel, trainingPass } from './pass';
import type { TrainingBatch, TrainSettings } from './step';

/** The model that is recorded. */
export interface PassSource {
  backend: NodeJSKernelBackend;
  architecture: Architecture;
  parameters: ModelParameters;
  settings: TrainSettings;
  teacher?: Teacher | undefined;
}

/** Name of a teacher's parameter where it stands beside those of the model that learns. */
export function teacherName(name: string): string {
  return `teacher.${name}`;
}

/** The tensors of one router's decision, by their ids on the tape. */
export interface RecordedRouter {
  layer: number;
  router: RouterKind;
  experts: number;
  removed?: readonly number[];
  /** Where there are zero-computation experts: how many, from the first, have an FFN. */
  ffnExperts?: number;
  probabilities: number;
  assigned?: number;
  chosen?: number;
}

/** A pass as a tape: ids of what it was given and of what it gave. */
export interface RecordedPass {
  tape: Tape;
  /** Of a batch. */
  tokens: number;
  inputs: number;
  targets: number;
  /** Of each target, where batches have weights. */
  weights?: number;
  /** By parameter name, those of the teacher as `teacherName` says. */
  parameters: Map<string, number>;
  /** What the routers draw, by name, with the shape for that batch. Nothing in an evaluation. */
  draws: Map<string, { id: number; shape: number[] }>;
  routers: RecordedRouter[];
}

export interface RecordedTraining extends RecordedPass {
  losses: number;
  gradients: Map<string, number>;
  check: Check;
}

/** A batch, and what eager execution computes on it: losses, and the norm of the gradient. */
export interface Check {
  batch: TrainingBatch;
  expected: number[];
}

export interface RecordedEvaluation extends RecordedPass {
  languageModel: number;
}

/**
 * Records forward and backward pass for batches of so many sequences. They run on one sequence and on two, which takes little memory;
 * the rest follows from the difference. The batch of the check is what was recorded, again and again: the means stay the same. With
 * `weighted` batches have weights.
 */
export function recordTraining(source: PassSource, sequences: number, weighted = false): RecordedTraining {
  const draw = (tokens: number) => drawRouting(source.architecture, tokens, { seed: tokens, step: 0, pass: 0 });
  const recordings = recordTwice(source, draw, weighted, (model, inputs, targets, draws, weights) => {
    const { losses, gradients, routers } = trainingPass(model, inputs, targets, draws, weights);
    const norm = tf.sqrt(sumOfSquares([...gradients.values()]));
    const id = (tensor: tf.Tensor): number => tensorId(source.backend, tensor);
    const ids = new Map([...gradients].map(([name, gradient]) => [name, id(gradient)]));
    return { found: { losses: id(losses), gradients: ids }, routers, numbers: [losses, norm] };
  });
  const { batch, numbers } = recordings[sequences % 2 ? 0 : 1];
  const check = { batch: repeated(batch, sequences * source.architecture.context), expected: numbers };
  return { ...resized(recordings, sequences), check };
}

/** A batch of so many tokens, made of a smaller one again and again. */
function repeated({ inputs, targets, weights, draws = NO_DRAWS }: TrainingBatch, tokens: number): TrainingBatch {
  const repeat = (ids: Int32Array): Int32Array => Int32Array.from({ length: tokens }, (_, i) => ids[i % ids.length]!);
  const redrawn = [...draws].map(([name, { shape, values }]) => {
    const wanted = shapeFor(shape, tokens);
    const numbers = Float32Array.from({ length: elementCount(wanted) }, (_, i) => values[i % values.length]!);
    return [name, { shape: wanted, values: numbers }] as const;
  });
  const share = inputs.length / tokens;
  const reweighted = weights && Float32Array.from({ length: tokens }, (_, i) => weights[i % weights.length]! * share);
  return {
    inputs: repeat(inputs),
    targets: repeat(targets),
    ...(reweighted && { weights: reweighted }),
    draws: new Map(redrawn),
  };
}

/** The shape of something drawn for each token, or once, where there are so many tokens. */
function shapeFor(shape: readonly number[], tokens: number): number[] {
  return shape.length ? [tokens, ...shape.slice(1)] : [];
}

/** Records the forward pass alone, for batches of each of these numbers of sequences. */
export function recordEvaluations(
  source: PassSource,
  sizes: readonly number[],
  weighted = false,
): Map<number, RecordedEvaluation> {
  const noDraws = (): Draws => NO_DRAWS;
  const recordings = recordTwice(source, noDraws, weighted, (model, inputs, targets, _draws, weights) => {
    const { languageModel, routers } = evaluationPass(model, inputs, targets, weights);
    return { found: { languageModel: tensorId(source.backend, languageModel) }, routers, numbers: [] };
  });
  return new Map(sizes.map((sequences) => [sequences, resized(recordings, sequences)]));
}

/** What a pass computes on a batch; `numbers` is read back. */
type Pass<T> = (
  model: PassModel,
  inputs: tf.Tensor1D,
  targets: tf.Tensor1D,
  draws: DrawTensors,
  weights: tf.Tensor1D | undefined,
) => { found: T; routers: RouterOutput[]; numbers: tf.Tensor[] };

/** A recording, and on which batch. */
interface Recording<T> {
  pass: T & RecordedPass;
  batch: TrainingBatch;
  numbers: number[];
}

/** Records a pass on one sequence of random tokens, and on two. `draw` gives what is drawn for so many tokens. */
function recordTwice<T>(
  source: PassSource,
  draw: (tokens: number) => Draws,
  weighted: boolean,
  pass: Pass<T>,
): [Recording<T>, Recording<T>] {
  const record = (sequences: number): Recording<T> => {
    const batch = randomTokens(source.architecture, sequences, weighted);
    return recordOn(source, { ...batch, draws: draw(batch.inputs.length) }, pass);
  };
  return [record(1), record(2)];
}

function recordOn<T>(
  { backend, architecture, parameters, settings, teacher }: PassSource,
  batch: TrainingBatch & { draws: Draws },
  pass: Pass<T>,
): Recording<T> {
  tf.engine().startScope();
  try {
    const inputs = tf.tensor1d(batch.inputs, 'int32');
    const targets = tf.tensor1d(batch.targets, 'int32');
    const weights = batch.weights && tf.tensor1d(batch.weights);
    const draws = drawTensors(batch.draws);
    const drawIds = [...draws].map(
      ([name, tensor]) => [name, { id: tensorId(backend, tensor), shape: tensor.shape }] as const,
    );
    const ids = {
      inputs: tensorId(backend, inputs),
      targets: tensorId(backend, targets),
      ...(weights && { weights: tensorId(backend, weights) }),
      draws: new Map(drawIds),
    };
    const taught = [...(teacher?.parameters ?? [])].map(([name, variable]) => [teacherName(name), variable] as const);
    const named = new Map([...parameters, ...taught].map(([name, variable]) => [name, tensorId(backend, variable)]));
    const { result, tape } = record(backend, () => {
      const tables = attentionTables(architecture, architecture.context);
      const own = teacher && { ...teacher, tables: attentionTables(teacher.architecture, architecture.context) };
      const model = { architecture, parameters, tables, settings, teacher: own };
      const { found, numbers, routers } = pass(model, inputs, targets, draws, weights);
      return { found, numbers, routers: routers.map((router) => recordedRouter(backend, router)) };
    });
    const { found, routers } = result;
    const tokens = batch.inputs.length;
    return {
      pass: { ...found, ...ids, tape, tokens, parameters: named, routers },
      batch,
      numbers: result.numbers.flatMap((tensor) => [...tensor.dataSync<'float32'>()]),
    };
  } finally {
    tf.engine().endScope();
  }
}

/** A recorded pass for another number of sequences. */
function resized<T>([one, two]: [Recording<T>, Recording<T>], sequences: number): T & RecordedPass {
  const sized = ({ pass }: Recording<T>): SizedTape => ({
    tape: pass.tape,
    leaves: leaves(pass),
    sequences: pass.tokens / one.pass.tokens,
  });
  const tape = resizeTape(sized(one), sized(two), sequences);
  const tokens = sequences * one.pass.tokens;
  const draws = [...one.pass.draws].map(
    ([name, { id, shape }]) => [name, { id, shape: shapeFor(shape, tokens) }] as const,
  );
  return { ...one.pass, tape, tokens, draws: new Map(draws) };
}

function recordedRouter(backend: NodeJSKernelBackend, output: RouterOutput): RecordedRouter {
  const { layer, router, probabilities, assigned, chosen, removed, zeroComputation } = output;
  return {
    layer,
    router,
    experts: probabilities.shape[1],
    ...(removed && { removed }),
    ...(zeroComputation && { ffnExperts: zeroComputation.ffnExperts }),
    probabilities: tensorId(backend, probabilities),
    ...(assigned && { assigned: tensorId(backend, assigned) }),
    ...(chosen && { chosen: tensorId(backend, chosen) }),
  };
}

function leaves({ inputs, targets, weights, parameters, draws }: RecordedPass): Map<number, string> {
  const named = [...parameters].map(([name, id]): [number, string] => [id, `parameter ${name}`]);
  const drawn = [...draws].map(([name, { id }]): [number, string] => [id, name]);
  const weighing: [number, string][] = weights === undefined ? [] : [[weights, 'weights']];
  return new Map<number, string>([[inputs, 'inputs'], [targets, 'targets'], ...weighing, ...named, ...drawn]);
}

function randomTokens({ context, vocabulary }: Architecture, sequences: number, weighted: boolean): Batch {
  const uniform = uniformGenerator(deriveSeed(sequences, 'recording'));
  const ids = () => Int32Array.from({ length: sequences * context }, () => Math.floor(uniform() * vocabulary));
  const tokens = sequences * context;
  const weights = () => Float32Array.from({ length: tokens }, () => (2 * uniform()) / tokens);
  return { inputs: ids(), targets: ids(), ...(weighted && { weights: weights() }) };
}
