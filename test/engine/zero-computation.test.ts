import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture, ZeroComputation } from '../../src/architecture/architecture';
import { routerName } from '../../src/architecture/parameters';
import { attentionTables } from '../../src/model/attention';
import { drawTensors, NO_DRAWS } from '../../src/model/draws';
import { ffn } from '../../src/model/ffn';
import { createParameters, disposeParameters, randomValues } from '../../src/model/parameters';
import { loadBalanceLoss, type RouterOutput } from '../../src/model/routing';
import { forward, logits } from '../../src/model/transformer';
import { withinCapacity } from '../../src/model/zero-computation';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import { upcycle } from '../../src/upcycle/upcycle';
import {
  asMixture,
  assertClose,
  largeValues,
  normal,
  onEveryBackend,
  randomBatch,
  SMALL,
  withoutLeak,
} from '../support/engine';

const TOKENS = 24;
const EXPERTS = 4;

function mixture(kinds: Partial<ZeroComputation>, ffnTopK = 2): Architecture {
  const zeroComputation = { zero: 0, copy: 0, constant: 0, tau: 0.75, ...kinds };
  return asMixture(SMALL, { attention: 'averaged', ffnTopK, zeroComputation });
}

/** The FFN of layer 0 where every router row of an FFN expert is far below the others: its input, its output, and the router's decision. */
function withoutFfns(architecture: Architecture): { u: Float32Array; output: Float32Array; router: RouterOutput } {
  const values = largeValues(architecture, 3);
  const rows = values.get(routerName(0, 'ffn'))!;
  rows.fill(0);
  // All inputs have a one at the end.
  for (let expert = 0; expert < EXPERTS; expert++) rows[expert * 16 + 15] = -50;
  const parameters = createParameters(architecture, values);
  const u = tf.concat([normal([TOKENS, 15], 5), tf.ones([TOKENS, 1])], 1) as tf.Tensor2D;
  const { output, router } = ffn(architecture, parameters, 0, u);
  const found = { u: u.dataSync<'float32'>(), output: output.dataSync<'float32'>(), router: router! };
  disposeParameters(parameters);
  return found;
}

onEveryBackend('zero-computation experts', () => {
  it('a token with copies alone gets its input times the sum of its gates', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const { u, output } = withoutFfns(mixture({ copy: 3 }));
        // Two of three that are alike.
        assertClose(
          output,
          u.map((value) => (value * 2) / 3),
          1e-5,
        );
      }),
    );
  });

  it('a token with zero experts alone gets nothing', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const { output, router } = withoutFfns(mixture({ zero: 2 }));
        assert.ok(output.every((value) => value === 0));
        const statistics = new RoutingStatistics();
        statistics.add([router]);
        assert.equal(statistics.summarize()[0]!.ffnPerToken, 0);
      }),
    );
  });

  it('keeps as many choices of a sequence as there is room for, the first ones', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const rows = [
          [1, 0],
          [1, 0],
          [0, 1],
          [1, 0],
          [0, 1],
          [0, 1],
          [0, 1],
          [1, 0],
        ];
        const kept = withinCapacity(tf.tensor2d(rows), 4, [2.2, 1.2]).arraySync();
        assert.deepEqual(kept, [
          [1, 0],
          [1, 0],
          [0, 1],
          [0, 0],
          [0, 1],
          [0, 0],
          [0, 0],
          [1, 0],
        ]);
      }),
    );
  });

  it('have a capacity in training alone', () => {
    withoutLeak(() => {
      const limited = mixture({ copy: 1, zero: 1, capacity: 0.3 });
      const free = mixture({ copy: 1, zero: 1 });
      const values = largeValues(free, 6);
      const parameters = createParameters(free, values);
      tf.tidy(() => {
        const u = normal([TOKENS, 16], 5) as tf.Tensor2D;
        const draws = drawTensors(NO_DRAWS);
        const [all, evaluated, trained] = [
          ffn(free, parameters, 0, u, { draws }),
          ffn(limited, parameters, 0, u),
          ffn(limited, parameters, 0, u, { draws }),
        ];
        assertClose(evaluated.output.dataSync(), all.output.dataSync(), 0);
        const empty = trained.output.arraySync().filter((row) => row.every((value) => value === 0)).length;
        assert.ok(empty > TOKENS / 3, `${empty}`);
        // What was chosen, not what had room.
        assert.deepEqual([...trained.router!.assigned!.dataSync()], [...all.router!.assigned!.dataSync()]);
      });
      disposeParameters(parameters);
    });
  });

  it('are balanced with their own weight, and FFN experts counted by what was chosen', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const probabilities = tf.fill([10, 4], 0.25) as tf.Tensor2D;
        const assigned = tf.tensor1d([8, 0, 2, 0]);
        const output: RouterOutput = {
          layer: 0,
          router: 'ffn',
          probabilities,
          assigned,
          zeroComputation: { ffnExperts: 2, tau: 0.5 },
        };
        const statistics = new RoutingStatistics();
        statistics.add([output]);
        assert.equal(statistics.summarize()[0]!.ffnPerToken, 0.8);
        assertClose(loadBalanceLoss(output).dataSync(), [4 * 0.25 * (0.8 + 0.5 * 0.2)], 1e-6);
        assertClose(loadBalanceLoss({ ...output, zeroComputation: { ffnExperts: 2, tau: 1 } }).dataSync(), [1], 1e-6);
      }),
    );
  });
});

onEveryBackend('gating residuals', () => {
  for (const attention of ['averaged', 'kv-experts', 'shared-kv'] as const) {
    it(`change nothing at the start of a mixture (${attention})`, () => {
      withoutLeak(() => {
        const parents = [1, 2].map((seed) => {
          return { name: `p${seed}`, architecture: SMALL, parameters: randomValues(SMALL, seed) };
        });
        const zeroComputation = { zero: 1, copy: 1, constant: 2, tau: 0.75 };
        const plain = asMixture(SMALL, { attention, experts: 2, ffnTopK: 2, zeroComputation });
        const residual = { ...plain, mixture: { ...plain.mixture!, gatingResidual: true as const } };
        const { inputs } = randomBatch(plain, 2, 4);
        const [without, withResidual] = [plain, residual].map((architecture) => {
          const parameters = createParameters(architecture, upcycle(parents, architecture, 5));
          const found = tf.tidy(() => {
            const tables = attentionTables(architecture, architecture.context);
            return logits(forward(architecture, parameters, tf.tensor1d(inputs, 'int32'), tables)).dataSync();
          });
          disposeParameters(parameters);
          return found;
        });
        assertClose(withResidual!, without!, 0);
      });
    });
  }
});
