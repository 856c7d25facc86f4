import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { type ImportableModel, importParameters, inspectModel } from '../../src/interop/import';
import { attentionTables } from '../../src/model/attention';
import { createParameters, disposeParameters } from '../../src/model/parameters';
import { forward, losses } from '../../src/model/transformer';
import { assertClose, onEveryBackend } from '../support/engine';
import { logitsOf } from '../support/logits';
import { CONTEXT, transformersCases } from '../support/transformers';

onEveryBackend('imported models against transformers', () => {
  for (const { name, folder, ids, logits: expected, loss, gradientNorms } of transformersCases()) {
    const inspect = (): ImportableModel => inspectModel(folder, { context: CONTEXT, parallelize: false });

    it(`${name}: the same logits`, () => {
      const model = inspect();
      assertClose(logitsOf(model.architecture, importParameters(model), ids), expected, 1e-4, 'logits');
    });

    it(`${name}: the same loss, and gradients of the same norm by every tensor`, () => {
      const found = gradientNormsOf(inspect(), ids);
      assertClose([found.loss], [loss], 1e-5, 'loss');
      const names = Object.keys(gradientNorms).map((tensor) => tensor.replace('lm_head', HEAD[name] ?? 'lm_head'));
      assert.deepEqual([...found.norms.keys()].sort(), names.sort());
      for (const [tensor, norm] of Object.entries(gradientNorms)) {
        const own = found.norms.get(tensor.replace('lm_head', HEAD[name] ?? 'lm_head'))!;
        assertClose([own], [norm], 1e-4 * norm + 1e-6, `norm of the gradient of ${tensor}`);
      }
    });
  }
});

/** GPT-NeoX calls its head otherwise in files than in memory. */
const HEAD: Partial<Record<string, string>> = { 'gpt-neox': 'embed_out' };

/** Loss, and norms of its gradients by the names of transformers: the tensors that lie in one of theirs are added up. */
function gradientNormsOf(
  { architecture, places, ...rest }: ImportableModel,
  ids: Int32Array,
): { loss: number; norms: Map<string, number> } {
  const parameters = createParameters(architecture, importParameters({ architecture, places, ...rest }));
  const targets = ids.map((_, i) => ids[(i + 1) % CONTEXT ? i + 1 : i + 1 - CONTEXT]!);
  const squares = new Map<string, number>();
  const loss = tf.tidy(() => {
    const tables = attentionTables(architecture, CONTEXT);
    const { value, grads } = tf.variableGrads(() => {
      const output = forward(architecture, parameters, tf.tensor1d(ids, 'int32'), tables);
      return losses(output, tf.tensor1d(targets, 'int32'), { loadBalance: 0, routerZ: 0 }).total;
    }, [...parameters.values()]);
    for (const { spec, theirs } of places) {
      const gradient = grads[parameters.get(spec.name)!.name]!.dataSync<'float32'>();
      const square = gradient.reduce((sum, entry) => sum + entry * entry, 0);
      squares.set(theirs, (squares.get(theirs) ?? 0) + square);
    }
    return value.dataSync<'float32'>()[0]!;
  });
  disposeParameters(parameters);
  return { loss, norms: new Map([...squares].map(([name, square]) => [name, Math.sqrt(square)])) };
}
