import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { importParameters, inspectModel } from '../../src/interop/import';
import { attentionTables } from '../../src/model/attention';
import { createParameters, disposeParameters, type ParameterValues } from '../../src/model/parameters';
import { forward, logits } from '../../src/model/transformer';
import { assertClose, onEveryBackend } from '../support/engine';
import { CONTEXT, transformersCases } from '../support/transformers';

/** The logits of whole sequences, (tokens, V). */
function logitsOf(architecture: Architecture, values: ParameterValues, ids: Int32Array): Float32Array {
  const parameters = createParameters(architecture, values);
  const found = tf.tidy(() => {
    const tables = attentionTables(architecture, architecture.context);
    return logits(forward(architecture, parameters, tf.tensor1d(ids, 'int32'), tables)).dataSync<'float32'>();
  });
  disposeParameters(parameters);
  return found;
}

onEveryBackend('imported models against transformers', () => {
  for (const { name, folder, ids, logits: expected } of transformersCases()) {
    it(`${name}: the same logits`, () => {
      const model = inspectModel(folder, { context: CONTEXT, parallelize: false });
      assertClose(logitsOf(model.architecture, importParameters(model), ids), expected, 1e-4, 'logits');
    });
  }
});
