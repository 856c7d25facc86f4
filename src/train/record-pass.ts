import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import type { Architecture } from '../architecture/architecture';
import { deriveSeed, uniformGenerator } from '../base/random';
import type { Batch } from '../data/sequences';
import { resizeTape, type SizedTape } from '../engine/graph/resize-tape';
import { record, type Tape, tensorId } from '../engine/graph/tape';
import { sumOfSquares } from '../engine/ops/sum-of-squares';
import { attentionTables } from '../model/attention';
import type { ModelParameters } from '../model/parameters';
import type { RouterOutput } from '../model/routing';
import { evaluationPass, type PassModel, trainingPass } from './pass';
import type { TrainSettings } from './step';

/** The model that is recorded. */
export interface PassSource {
  backend: NodeJSKernelBackend;
  architecture: Architecture;
  parameters: ModelParameters;
  settings: TrainSettings;
}

/** The tensors of one router's decision, by their ids on the tape. */
export interface RecordedRouter {
  layer: number;
  router: 'ffn' | 'attention';
  experts: number;
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
  /** By parameter name. */
  parameters: Map<string, number>;
  routers: RecordedRouter[];
}

export interface RecordedTraining extends RecordedPass {
  losses: number;
  gradients: Map<string, number>;
  check: Check;
}

/** A batch, and what eager execution computes on it: losses (4), and the norm of the gradient. */
export interface Check {
  batch: Batch;
  expected: number[];
}

export interface RecordedEvaluation extends RecordedPass {
  languageModel: number;
}

/**
 * Records forward and backward pass for batches of so many sequences. They run on one sequence and on two, which takes little memory;
 * the rest follows from the difference. The batch of the check is what was recorded, again and again: the means stay the same.
 */
export function recordTraining(source: PassSource, sequences: number): RecordedTraining {
  const recordings = recordTwice(source, (model, inputs, targets) => {
    const { losses, gradients, routers } = trainingPass(model, inputs, targets);
    const norm = tf.sqrt(sumOfSquares([...gradients.values()]));
    const id = (tensor: tf.Tensor): number => tensorId(source.backend, tensor);
    const ids = new Map([...gradients].map(([name, gradient]) => [name, id(gradient)]));
    return { found: { losses: id(losses), gradients: ids }, routers, numbers: [losses, norm] };
  });
  const { batch, numbers } = recordings[sequences % 2 ? 0 : 1];
  const tokens = sequences * source.architecture.context;
  const repeat = (ids: Int32Array): Int32Array => Int32Array.from({ length: tokens }, (_, i) => ids[i % ids.length]!);
  const check = { batch: { inputs: repeat(batch.inputs), targets: repeat(batch.targets) }, expected: numbers };
  return { ...resized(recordings, sequences), check };
}

/** Records the forward pass alone, for batches of each of these numbers of sequences. */
export function recordEvaluations(source: PassSource, sizes: readonly number[]): Map<number, RecordedEvaluation> {
  const recordings = recordTwice(source, (model, inputs, targets) => {
    const { languageModel, routers } = evaluationPass(model, inputs, targets);
    return { found: { languageModel: tensorId(source.backend, languageModel) }, routers, numbers: [] };
  });
  return new Map(sizes.map((sequences) => [sequences, resized(recordings, sequences)]));
}

/** What a pass computes on a batch; `numbers` is read back. */
type Pass<T> = (
  model: PassModel,
  inputs: tf.Tensor1D,
  targets: tf.Tensor1D,
) => { found: T; routers: RouterOutput[]; numbers: tf.Tensor[] };

/** A recording, and on which batch. */
interface Recording<T> {
  pass: T & RecordedPass;
  batch: Batch;
  numbers: number[];
}

/** Records a pass on one sequence of random tokens, and on two. */
function recordTwice<T>(source: PassSource, pass: Pass<T>): [Recording<T>, Recording<T>] {
  const record = (sequences: number): Recording<T> =>
    recordOn(source, randomTokens(source.architecture, sequences), pass);
  return [record(1), record(2)];
}

function recordOn<T>(
  { backend, architecture, parameters, settings }: PassSource,
  batch: Batch,
  pass: Pass<T>,
): Recording<T> {
  tf.engine().startScope();
  try {
    const inputs = tf.tensor1d(batch.inputs, 'int32');
    const targets = tf.tensor1d(batch.targets, 'int32');
    const ids = { inputs: tensorId(backend, inputs), targets: tensorId(backend, targets) };
    const named = new Map([...parameters].map(([name, variable]) => [name, tensorId(backend, variable)]));
    const { result, tape } = record(backend, () => {
      const tables = attentionTables(architecture, architecture.context);
      const { found, numbers, routers } = pass({ architecture, parameters, tables, settings }, inputs, targets);
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
  return { ...one.pass, tape, tokens: sequences * one.pass.tokens };
}

function recordedRouter(backend: NodeJSKernelBackend, output: RouterOutput): RecordedRouter {
  const { layer, router, probabilities, assigned, chosen } = output;
  return {
    layer,
    router,
    experts: probabilities.shape[1],
    probabilities: tensorId(backend, probabilities),
    ...(assigned && { assigned: tensorId(backend, assigned) }),
    ...(chosen && { chosen: tensorId(backend, chosen) }),
  };
}

function leaves({ inputs, targets, parameters }: RecordedPass): Map<number, string> {
  const named = [...parameters].map(([name, id]): [number, string] => [id, `parameter ${name}`]);
  return new Map<number, string>([[inputs, 'inputs'], [targets, 'targets'], ...named]);
}

function randomTokens({ context, vocabulary }: Architecture, sequences: number): Batch {
  const uniform = uniformGenerator(deriveSeed(sequences, 'recording'));
  const ids = () => Int32Array.from({ length: sequences * context }, () => Math.floor(uniform() * vocabulary));
  return { inputs: ids(), targets: ids() };
}
