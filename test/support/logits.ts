import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { attentionTables } from '../../src/model/attention';
import { createParameters, disposeParameters, type ParameterValues } from '../../src/model/parameters';
import { forward, logits } from '../../src/model/transformer';

/** The logits of whole sequences of the architecture's context, (tokens, V). */
export function logitsOf(architecture: Architecture, values: ParameterValues, ids: Int32Array): Float32Array {
  const parameters = createParameters(architecture, values);
  const found = tf.tidy(() => {
    const tables = attentionTables(architecture, architecture.context);
    return logits(forward(architecture, parameters, tf.tensor1d(ids, 'int32'), tables)).dataSync<'float32'>();
  });
  disposeParameters(parameters);
  return found;
}
