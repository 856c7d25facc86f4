import assert from 'node:assert/strict';
import { ServingError } from '../../../src/base/errors';
import { uniformGenerator } from '../../../src/base/random';
import { checkSampling, drawToken, logProbability, samplingProbabilities } from '../../../src/serve/sampling';
import { assertClose } from '../../support/engine';

/** Logits of tokens with these probabilities, moved by a constant, which must not matter. */
const logitsOf = (...probabilities: number[]): Float32Array => Float32Array.from(probabilities, (p) => Math.log(p) + 3);

const LOGITS = logitsOf(0.5, 0.125, 0.25, 0.125);

describe('probabilities of the next token', () => {
  it('are the softmax at temperature 1', () => {
    assertClose(samplingProbabilities(LOGITS, { temperature: 1 }), [0.5, 0.125, 0.25, 0.125], 1e-6);
  });

  it('are powers of it at others: squares at 0.5, roots at 2', () => {
    // 16, 1, 4 and 1 of 22.
    assertClose(
      samplingProbabilities(LOGITS, { temperature: 0.5 }),
      [16, 1, 4, 1].map((x) => x / 22),
      1e-6,
    );
    const roots = [0.5, 0.125, 0.25, 0.125].map(Math.sqrt);
    const sum = roots.reduce((a, b) => a + b);
    assertClose(
      samplingProbabilities(LOGITS, { temperature: 2 }),
      roots.map((x) => x / sum),
      1e-6,
    );
  });

  it('are all of the first largest one at temperature 0', () => {
    assert.deepEqual([...samplingProbabilities(logitsOf(0.2, 0.4, 0.4), { temperature: 0 })], [0, 1, 0]);
  });

  it('top-k keeps the k largest, the first of equal ones', () => {
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topK: 2 }), [2 / 3, 0, 1 / 3, 0], 1e-6);
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topK: 3 }), [4 / 7, 1 / 7, 2 / 7, 0], 1e-6);
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topK: 9 }), [0.5, 0.125, 0.25, 0.125], 1e-6);
  });

  it('top-p keeps the largest until they reach p, the one that crosses it included', () => {
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topP: 0.49 }), [1, 0, 0, 0], 1e-6);
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topP: 0.51 }), [2 / 3, 0, 1 / 3, 0], 1e-6);
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topP: 0.8 }), [4 / 7, 1 / 7, 2 / 7, 0], 1e-6);
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topP: 1 }), [0.5, 0.125, 0.25, 0.125], 1e-6);
  });

  it('top-p is of what top-k left', () => {
    // The two largest have 2/3 and 1/3: 0.6 needs the first alone.
    assertClose(samplingProbabilities(LOGITS, { temperature: 1, topK: 2, topP: 0.6 }), [1, 0, 0, 0], 1e-6);
  });

  it('stay finite with large logits and a small temperature', () => {
    assertClose(samplingProbabilities(Float32Array.of(900, 1000), { temperature: 0.01 }), [0, 1], 1e-6);
  });
});

describe('drawn tokens', () => {
  it('come as often as their probability says', () => {
    const uniform = uniformGenerator(7);
    const probabilities = samplingProbabilities(LOGITS, { temperature: 1 });
    const counts = [0, 0, 0, 0];
    const draws = 40_000;
    for (let i = 0; i < draws; i++) counts[drawToken(probabilities, uniform())]!++;
    // Five standard deviations of the largest are 0.0125.
    assertClose(
      counts.map((count) => count / draws),
      [0.5, 0.125, 0.25, 0.125],
      0.0125,
    );
  });

  it('never are what has no probability', () => {
    assert.equal(drawToken(Float64Array.of(0, 1, 0), 0), 1);
    assert.equal(drawToken(Float64Array.of(0, 1, 0), 0.9999999), 1);
    assert.equal(drawToken(Float64Array.of(0.3, 0.7, 0), 1 - 1e-17), 1);
  });
});

it('the logarithm of a probability is that of the softmax', () => {
  assertClose(
    [0, 1, 2].map((token) => logProbability(LOGITS, token)),
    [0.5, 0.125, 0.25].map(Math.log),
    1e-6,
  );
});

describe('numbers that sampling cannot use', () => {
  for (const wrong of [
    { temperature: -1 },
    { temperature: NaN },
    { topK: 0 },
    { topK: 1.5 },
    { topP: 0 },
    { topP: 1.1 },
    { seed: 0.5 },
  ]) {
    it(JSON.stringify(wrong), () => {
      assert.throws(
        () => checkSampling({ temperature: 1, seed: 1, ...wrong }),
        (error) => error instanceof ServingError && error.reason === 'bad-sampling',
      );
    });
  }
});
