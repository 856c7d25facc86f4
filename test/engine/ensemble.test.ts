import assert from 'node:assert/strict';
import { createParameters } from '../../src/model/parameters';
import { EnsembleModel } from '../../src/train/ensemble';
import { EagerModel, type EvaluatedModel } from '../../src/train/evaluated-model';
import {
  assertClose,
  asMixture,
  largeValues,
  onEveryBackend,
  randomBatch,
  SMALL,
  withoutLeak,
} from '../support/engine';

/** A member that gives each token of a vocabulary of two a probability of its own, whatever stands before. */
function coin(heads: number): EvaluatedModel {
  const chance = (token: number): number => Math.log(token === 1 ? heads : 1 - heads);
  return {
    evaluate: () => assert.fail('an ensemble asks for the losses of tokens'),
    tokenLosses: ({ targets }) => Float32Array.from(targets, (token) => -chance(token)),
    logProbabilities: (_inputs, rows) => Float32Array.from([...rows].flatMap(() => [chance(0), chance(1)])),
    dispose: () => undefined,
  };
}

const CHANCES = [0.5, 0.9, 0.2];
/** Two sequences of four tosses, and the token in front of each. */
const TOSSES = [
  [1, 1, 1, 0],
  [0, 0, 1, 0],
];
const BATCH = {
  inputs: Int32Array.from(TOSSES.flatMap((tosses) => [0, ...tosses.slice(0, -1)])),
  targets: Int32Array.from(TOSSES.flat()),
};
const ensemble = (weights: 'posterior' | 'uniform'): EnsembleModel =>
  new EnsembleModel(CHANCES.map(coin), { weights, context: 4 });

/** How likely a coin shows these. */
const likelihood = (heads: number, tosses: number[]): number =>
  tosses.reduce((product, toss) => product * (toss === 1 ? heads : 1 - heads), 1);
const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('an ensemble of coins', () => {
  it('gives a sequence the mean of its likelihoods, when weighed by the posterior', () => {
    const losses = ensemble('posterior').tokenLosses(BATCH, 4);
    TOSSES.forEach((tosses, sequence) => {
      for (let length = 1; length <= 4; length++) {
        const found = losses.subarray(4 * sequence, 4 * sequence + length).reduce((sum, loss) => sum + loss, 0);
        const expected = -Math.log(mean(CHANCES.map((heads) => likelihood(heads, tosses.slice(0, length)))));
        assertClose([found], [expected], 1e-5, `sequence ${sequence}, ${length} tosses`);
      }
    });
  });

  it('gives every token the mean of its probabilities, when weighed alike', () => {
    const expected = TOSSES.flat().map((toss) => -Math.log(mean(CHANCES.map((heads) => likelihood(heads, [toss])))));
    assertClose(ensemble('uniform').tokenLosses(BATCH, 4), expected, 1e-6);
    const sum = expected.reduce((total, loss) => total + loss, 0);
    assertClose([ensemble('uniform').evaluate(BATCH)], [sum], 1e-5);
  });

  it('weighs its distribution behind a row by what stands before the row in the same sequence', () => {
    // Row 3 has seen 1, 1, 1; row 4 begins a sequence; row 6 has seen 0, 0.
    const rows = Int32Array.from([3, 4, 6]);
    const found = ensemble('posterior').logProbabilities(BATCH.inputs, rows, 4);
    const expected = [[1, 1, 1], [], [0, 0]].flatMap((seen) =>
      [0, 1].map((next) => {
        const joint = mean(CHANCES.map((heads) => likelihood(heads, [...seen, next])));
        return Math.log(joint / mean(CHANCES.map((heads) => likelihood(heads, seen))));
      }),
    );
    assertClose(found, expected, 1e-6);
    const alike = ensemble('uniform').logProbabilities(BATCH.inputs, rows, 4);
    assertClose(
      alike,
      [0, 1, 0, 1, 0, 1].map((next) => Math.log(mean(CHANCES.map((heads) => likelihood(heads, [next]))))),
      1e-6,
    );
  });

  it('stays finite where a member finds a token impossible, or all but so', () => {
    const tokens = { inputs: new Int32Array(400), targets: new Int32Array(400).fill(1) };
    const model = new EnsembleModel([coin(1e-300), coin(0.5)], { weights: 'posterior', context: 400 });
    const losses = model.tokenLosses(tokens, 400);
    assertClose([losses[0]!, losses[399]!], [-Math.log(0.25), Math.LN2], 1e-6);
  });
});

onEveryBackend('an ensemble of models', () => {
  const member = (seed: number, architecture = SMALL): EagerModel =>
    new EagerModel(architecture, createParameters(architecture, largeValues(architecture, seed)));
  const batch = randomBatch(SMALL, 3, 5);

  it('of one model twice is that model', () => {
    withoutLeak(() => {
      const [one, twice] = [
        member(1),
        new EnsembleModel([member(1), member(1)], { weights: 'posterior', context: 12 }),
      ];
      const rows = Int32Array.from([0, 11, 12, 30]);
      assertClose(twice.tokenLosses(batch, 12), one.tokenLosses(batch, 12), 1e-5);
      assertClose(twice.logProbabilities(batch.inputs, rows, 12), one.logProbabilities(batch.inputs, rows, 12), 1e-5);
      one.dispose();
      twice.dispose();
    });
  });

  it('may have mixtures for members, and gives the tokens the probabilities of its whole distribution', () => {
    withoutLeak(() => {
      const model = new EnsembleModel([member(1), member(2, asMixture(SMALL))], { weights: 'posterior', context: 12 });
      const rows = Int32Array.from(batch.inputs, (_, i) => i);
      const scores = model.logProbabilities(batch.inputs, rows, 12);
      const own = [...batch.targets].map((target, i) => -scores[i * SMALL.vocabulary + target]!);
      assertClose(model.tokenLosses(batch, 12), own, 1e-4);
      model.dispose();
    });
  });
});
