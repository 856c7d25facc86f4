import type * as tf from '@tensorflow/tfjs';
import { CheckpointError } from '../base/errors';
import type { ModelParameters } from './parameters';

function parameter(parameters: ModelParameters, name: string): tf.Variable {
  const found = parameters.get(name);
  if (found) return found;
  throw new CheckpointError(`The model has no tensor ${name}.`, { reason: 'tensor-missing' });
}

/** A matrix parameter by name. */
export function matrix(parameters: ModelParameters, name: string): tf.Tensor2D {
  return parameter(parameters, name) as tf.Tensor as tf.Tensor2D;
}

/** A vector parameter by name. */
export function vector(parameters: ModelParameters, name: string): tf.Tensor1D {
  return parameter(parameters, name) as tf.Tensor as tf.Tensor1D;
}
