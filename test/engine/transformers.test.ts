import { importParameters, inspectModel } from '../../src/interop/import';
import { assertClose, onEveryBackend } from '../support/engine';
import { logitsOf } from '../support/logits';
import { CONTEXT, transformersCases } from '../support/transformers';

onEveryBackend('imported models against transformers', () => {
  for (const { name, folder, ids, logits: expected } of transformersCases()) {
    it(`${name}: the same logits`, () => {
      const model = inspectModel(folder, { context: CONTEXT, parallelize: false });
      assertClose(logitsOf(model.architecture, importParameters(model), ids), expected, 1e-4, 'logits');
    });
  }
});
