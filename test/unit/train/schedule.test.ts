import assert from 'node:assert/strict';
import { learningRate } from '../../../src/train/schedule';

/** Eleven steps behind ten of warm-up, so that the cosine's middle falls on step 15. */
const plan = { steps: 21, warmup: 10 / 21, peakLearningRate: 2e-3, finalLearningRate: 0.1 };

function close(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) < 1e-15, `${found} should be ${expected}`);
}

describe('learning rate', () => {
  it('rises in a line to the peak', () => {
    close(learningRate(0, plan), 2e-4);
    close(learningRate(4, plan), 1e-3);
    close(learningRate(9, plan), 2e-3);
  });

  it('falls along a cosine from the peak to its final share', () => {
    close(learningRate(10, plan), 2e-3);
    close(learningRate(15, plan), 2e-3 * 0.55);
    close(learningRate(20, plan), 2e-4);
    const third = 2e-3 * (0.1 + (0.9 * (1 + Math.cos((Math.PI * 3) / 10))) / 2);
    close(learningRate(13, plan), third);
  });

  it('never rises again after warm-up, and stays above zero', () => {
    const rates = Array.from({ length: 21 }, (_, step) => learningRate(step, plan));
    for (let step = 11; step < 21; step++) assert.ok(rates[step]! < rates[step - 1]!);
    assert.ok(rates.every((rate) => rate > 0));
  });

  it('starts at the peak without warm-up, stays there where the final share is 1, and only rises where all is warm-up', () => {
    close(learningRate(0, { ...plan, warmup: 0 }), 2e-3);
    close(learningRate(20, { ...plan, warmup: 0 }), 2e-4);
    close(learningRate(17, { ...plan, finalLearningRate: 1 }), 2e-3);
    close(learningRate(20, { ...plan, warmup: 1 }), 2e-3);
    close(learningRate(0, { ...plan, steps: 1, warmup: 0.05 }), 2e-3);
  });
});
