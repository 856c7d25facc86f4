import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import type { Architecture } from '../architecture/architecture';
import { deriveSeed, uniformGenerator } from '../base/random';
import type { Batch } from '../data/sequences';
import { requireSameTape } from '../engine/graph/compare-tapes';
import { record, type Tape, tensorId } from '../engine/graph/tape';
import { sumOfSquares } from '../engine/ops/sum-of-squares';
import { attentionTables } from '../model/attention';
import type { ModelParameters } from '../model/parameters';
import type { RouterOutput } from '../model/routing';
import { evaluationPass, type PassModel, trainingPass } from './pass';
import type { TrainSettings } from './step';

/** What is recorded: a model, on batches of so many sequences. */
export interface PassSource {
  backend: NodeJSKernelBackend;
  architecture: Architecture;
  parameters: ModelParameters;
  settings: TrainSettings;
  sequences: number;
}

/** The tensors of one router's decision, by their ids on the tape. */
export interface RecordedRouter {
  layer: number;
  router: 'ffn' | 'attention';
  experts: number;
  probabilities: number;
  assigned?: number;
}

/** A pass as a tape: ids of what it was given and of what it gave, and the batch and results that it was recorded with. */
export interface RecordedPass {
  tape: Tape;
  inputs: number;
  targets: number;
  /** By parameter name. */
  parameters: Map<string, number>;
  routers: RecordedRouter[];
  batch: Batch;
}

export interface RecordedTraining extends RecordedPass {
  losses: number;
  gradients: Map<string, number>;
  /** As computed while recording: losses (4), and the norm of the gradient. */
  reference: number[];
}

export interface RecordedEvaluation extends RecordedPass {
  languageModel: number;
  reference: number[];
}

/** Records forward and backward pass twice, on different random tokens, and makes sure that nothing of the data froze in the tape. */
export function recordTraining(source: PassSource): RecordedTraining {
  const [pass, other] = [1, 2].map((seed) =>
    recordOn(source, randomTokens(source, seed), (model, inputs, targets) => {
      const { losses, gradients, routers } = trainingPass(model, inputs, targets);
      const norm = tf.sqrt(sumOfSquares([...gradients.values()]));
      const id = (tensor: tf.Tensor): number => tensorId(source.backend, tensor);
      const ids = new Map([...gradients].map(([name, gradient]) => [name, id(gradient)]));
      return { found: { losses: id(losses), gradients: ids }, routers, reference: [losses, norm] };
    }),
  ) as [RecordedTraining, RecordedTraining];
  requireSameTape(pass.tape, leaves(pass), other.tape, leaves(other));
  return pass;
}

/** Records the forward pass alone. */
export function recordEvaluation(source: PassSource): RecordedEvaluation {
  return recordOn(source, randomTokens(source, 3), (model, inputs, targets) => {
    const { languageModel, routers } = evaluationPass(model, inputs, targets);
    return { found: { languageModel: tensorId(source.backend, languageModel) }, routers, reference: [languageModel] };
  });
}

type Recorded<T> = T & RecordedPass & { reference: number[] };

function recordOn<T>(
  { backend, architecture, parameters, settings }: PassSource,
  batch: Batch,
  pass: (
    model: PassModel,
    inputs: tf.Tensor1D,
    targets: tf.Tensor1D,
  ) => { found: T; routers: RouterOutput[]; reference: tf.Tensor[] },
): Recorded<T> {
  tf.engine().startScope();
  try {
    const inputs = tf.tensor1d(batch.inputs, 'int32');
    const targets = tf.tensor1d(batch.targets, 'int32');
    const ids = { inputs: tensorId(backend, inputs), targets: tensorId(backend, targets) };
    const named = new Map([...parameters].map(([name, variable]) => [name, tensorId(backend, variable)]));
    const { result, tape } = record(backend, () => {
      const tables = attentionTables(architecture, architecture.context);
      const { found, routers, reference } = pass({ architecture, parameters, tables, settings }, inputs, targets);
      return { found, reference, routers: routers.map((router) => recordedRouter(backend, router)) };
    });
    const reference = result.reference.flatMap((tensor) => [...tensor.dataSync<'float32'>()]);
    return { ...result.found, ...ids, tape, parameters: named, routers: result.routers, batch, reference };
  } finally {
    tf.engine().endScope();
  }
}

function recordedRouter(backend: NodeJSKernelBackend, output: RouterOutput): RecordedRouter {
  const { layer, router, probabilities, assigned } = output;
  return {
    layer,
    router,
    experts: probabilities.shape[1],
    probabilities: tensorId(backend, probabilities),
    ...(assigned && { assigned: tensorId(backend, assigned) }),
  };
}

function leaves({ inputs, targets, parameters }: RecordedPass): Map<number, string> {
  const named = [...parameters].map(([name, id]): [number, string] => [id, `parameter ${name}`]);
  return new Map<number, string>([[inputs, 'inputs'], [targets, 'targets'], ...named]);
}

function randomTokens({ architecture, sequences }: PassSource, seed: number): Batch {
  const uniform = uniformGenerator(deriveSeed(seed, 'recording'));
  const ids = () =>
    Int32Array.from({ length: sequences * architecture.context }, () =>
      Math.floor(uniform() * architecture.vocabulary),
    );
  return { inputs: ids(), targets: ids() };
}
