import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { startBackend } from '../../src/engine/backend';

/** Runs the same tests on native TensorFlow and on wasm. `npm test` installs the native runtime beforehand. */
export function onEveryBackend(title: string, tests: () => void): void {
  for (const kind of ['native', 'wasm'] as const) {
    describe(`${title} (${kind})`, () => {
      before(async () => {
        await startBackend(kind);
      });
      tests();
    });
  }
}

/** Asserts that two lists of numbers agree to an absolute tolerance; names the place of the largest difference. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = 'value') {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    assert.ok(Number.isFinite(actual[i]!), `${what}[${i}] is ${actual[i]}`);
    if (Math.abs(actual[i]! - expected[i]!) > Math.abs(actual[worst]! - expected[worst]!)) worst = i;
  }
  if (!actual.length) return;
  const difference = Math.abs(actual[worst]! - expected[worst]!);
  assert.ok(difference <= tolerance, `${what}[${worst}]: ${actual[worst]} is not ${expected[worst]} (off by ${difference})`);
}

/** Runs a check and fails if it leaves tensors behind. */
export function withoutLeak<T>(check: () => T): T {
  const before = tf.memory().numTensors;
  const result = check();
  assert.equal(tf.memory().numTensors, before, 'tensors left behind');
  return result;
}
