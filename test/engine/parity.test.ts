import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { AdamW, clipFactor } from '../../src/train/adamw';
import { attentionTables } from '../../src/model/attention';
import { createParameters, disposeParameters } from '../../src/model/parameters';
import { drawTensors } from '../../src/model/draws';
import { forward, logits, losses } from '../../src/model/transformer';
import { assertClose, onEveryBackend, withoutLeak } from '../support/engine';
import { type ParityCase, parityCases, readStored } from '../support/parity';

onEveryBackend('the model against PyTorch', () => {
  for (const stored of parityCases()) {
    it(`${stored.name}: logits, losses and every gradient`, () => {
      withoutLeak(() => {
        const parameters = createParameters(stored.architecture, stored.parameters);
        tf.tidy(() => compare(stored, parameters));
        disposeParameters(parameters);
      });
    });
  }
});

function compare(stored: ParityCase, parameters: ReturnType<typeof createParameters>): void {
  const tables = attentionTables(stored.architecture, stored.architecture.context);
  const inputs = tf.tensor1d(stored.inputs, 'int32');
  const targets = tf.tensor1d(stored.targets, 'int32');
  const draws = drawTensors(stored.draws);
  const output = forward(stored.architecture, parameters, inputs, tables, draws);
  assertClose(logits(output).dataSync(), stored.tensors.get('logits')!.values, 1e-4, 'logits');
  const weights = { loadBalance: 0.01, routerZ: 0.001 };
  const found = losses(output, targets, weights);
  for (const part of ['languageModel', 'loadBalance', 'routerZ', 'total'] as const) {
    assertClose(found[part].dataSync(), stored.tensors.get(`loss.${part}`)!.values, 1e-4, part);
  }
  const { grads } = tf.variableGrads(
    () => losses(forward(stored.architecture, parameters, inputs, tables, draws), targets, weights).total,
    [...parameters.values()],
  );
  for (const [name, variable] of parameters) {
    const expected = stored.gradients.get(name);
    if (!expected) assert.equal(grads[variable.name], undefined, `gradient of ${name}`);
    else assertClose(grads[variable.name]!.dataSync(), expected, 1e-5, `gradient of ${name}`);
  }
}

onEveryBackend('AdamW against PyTorch', () => {
  it('gives the same parameters over five clipped steps', () => {
    const { tensors } = readStored('adamw');
    const names = ['matrix', 'vector'];
    const stored = (key: string): tf.Tensor => tf.tensor(tensors.get(key)!.values, tensors.get(key)!.shape);
    tf.tidy(() => {
      const parameters = new Map(names.map((name) => [name, tf.variable(stored(`initial.${name}`))]));
      const optimizer = new AdamW(parameters, { beta1: 0.9, beta2: 0.95, weightDecay: 0.1 });
      for (let step = 1; step <= 5; step++) {
        const gradients = new Map(names.map((name) => [name, stored(`step.${step}.gradient.${name}`)]));
        const { factor } = clipFactor(gradients.values(), 1);
        optimizer.apply(gradients, factor, tensors.get(`step.${step}.learningRate`)!.values[0]!, step);
        for (const [name, variable] of parameters) {
          assertClose(
            variable.dataSync(),
            tensors.get(`step.${step}.value.${name}`)!.values,
            1e-5,
            `${name} after ${step}`,
          );
        }
      }
      optimizer.dispose();
      parameters.forEach((variable) => variable.dispose());
    });
  });
});
