import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { uniformGenerator } from '../../src/base/random';
import { dispatchByExpert } from '../../src/engine/ops/dispatch';
import { topExperts, topExpertsOnHost } from '../../src/engine/ops/top-experts';
import { keepTop, loadBalanceLoss, type RouterOutput, routerScores, routerZLoss } from '../../src/model/routing';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import { assertClose, onEveryBackend, withoutLeak } from '../support/engine';

onEveryBackend('topExperts', () => {
  const top = (scores: number[][], k: number): number[] =>
    withoutLeak(() => tf.tidy(() => [...topExperts(tf.tensor2d(scores), k).dataSync()]));
  const few = [
    [0.1, 0.5, 0.4],
    [0.7, 0.1, 0.2],
  ];

  it('names the best of every token, best first', () => {
    assert.deepEqual(top(few, 1), [1, 0]);
    assert.deepEqual(top(few, 2), [1, 2, 0, 2]);
    assert.deepEqual(top([[-3, -1, -2]], 3), [1, 2, 0]);
  });

  it('gives ties to the lower index', () => {
    for (const k of [1, 2]) assert.deepEqual(top([[0.25, 0.25, 0.25, 0.25]], k), [0, 1].slice(0, k));
    assert.deepEqual(top([[0.1, 0.4, 0.1, 0.4]], 3), [1, 3, 0]);
  });

  it('names real experts where scores are not numbers', () => {
    for (const k of [1, 2, 3]) {
      const chosen = top([[NaN, NaN, NaN]], k);
      assert.ok(chosen.length === k && chosen.every((expert) => expert >= 0 && expert < 3), `top ${k}: ${chosen}`);
    }
  });
});

describe('topExpertsOnHost', () => {
  it('never prefers a score that is not a number', () => {
    const top = (scores: number[], k: number): number[] => [
      ...topExpertsOnHost(Float32Array.from(scores), scores.length, k),
    ];
    assert.deepEqual(top([NaN, 0.2, 0.1], 2), [1, 2]);
    assert.deepEqual(top([0.2, NaN, 0.1], 3), [0, 2, 1]);
    assert.deepEqual(top([NaN, -Infinity], 1), [1]);
  });
});

describe('dispatchByExpert', () => {
  it('is a permutation that groups the rows by expert and keeps their order, with its inverse', () => {
    const uniform = uniformGenerator(3);
    for (const [pairs, experts] of [
      [1, 1],
      [8, 5],
      [60, 4],
      [7, 20],
    ] as const) {
      const chosen = Int32Array.from({ length: pairs }, () => Math.floor(uniform() * experts));
      const { order, inverse, assigned } = dispatchByExpert(chosen, experts);
      const expected = [...chosen.keys()].sort((a, b) => chosen[a]! - chosen[b]! || a - b);
      assert.deepEqual([...order], expected);
      assert.deepEqual(
        [...inverse].map((row) => order[row]),
        [...chosen.keys()],
      );
      const counts = Array.from({ length: experts }, (_, expert) => chosen.filter((one) => one === expert).length);
      assert.deepEqual([...assigned], counts);
    }
  });
});

/** A router's output with these probabilities. */
function routerOutput(probabilities: number[][], rest: Partial<RouterOutput> = {}): RouterOutput {
  const tensor = tf.tensor2d(probabilities);
  return { layer: 0, router: 'ffn', logits: tf.log(tensor), probabilities: tensor, ...rest };
}

const repeat = (row: number[], times: number): number[][] => Array.from({ length: times }, () => row);

onEveryBackend('the losses of a router', () => {
  const balance = (probabilities: number[][], assigned: number[]): number =>
    tf.tidy(() => {
      return loadBalanceLoss(routerOutput(probabilities, { assigned: tf.tensor1d(assigned) })).dataSync()[0]!;
    });
  const close = (found: number, expected: number): void => assertClose([found], [expected], 1e-5);

  it('is balanced at 1 when routing is uniform, for top 1 and top 2', () => {
    close(balance(repeat([0.25, 0.25, 0.25, 0.25], 8), [2, 2, 2, 2]), 1);
    close(balance(repeat([0.25, 0.25, 0.25, 0.25], 8), [4, 4, 4, 4]), 1);
  });

  it('is N when one expert takes all, N / 2 when two do as top 2', () => {
    close(balance(repeat([0, 1, 0, 0], 8), [0, 8, 0, 0]), 4);
    close(balance(repeat([0, 0.5, 0, 0, 0.5, 0], 8), [0, 8, 0, 0, 8, 0]), 3);
  });

  it('weighs mean probabilities with the shares of assignments', () => {
    close(
      balance(
        [
          [0.6, 0.3, 0.1],
          [0.2, 0.7, 0.1],
        ],
        [3, 1, 0],
      ),
      3 * (0.75 * 0.4 + 0.25 * 0.5),
    );
  });

  it('has a z-loss of (log N)^2 at zero logits, and the mean square of logsumexp else', () => {
    const z = (logits: number[][]): number =>
      tf.tidy(() => routerZLoss({ ...routerOutput([[1]]), logits: tf.tensor2d(logits) }).dataSync()[0]!);
    close(z(repeat([0, 0, 0, 0, 0], 7)), Math.log(5) ** 2);
    close(
      z([
        [1, 2],
        [0, -1],
      ]),
      (Math.log(Math.E + Math.E ** 2) ** 2 + Math.log(1 + 1 / Math.E) ** 2) / 2,
    );
  });
});

onEveryBackend('keepTop', () => {
  const probabilities = [
    [0.5, 0.2, 0.3],
    [0.1, 0.6, 0.3],
  ];
  const kept = (k: number, gate: 'softmax-topk' | 'topk-softmax'): number[][] =>
    withoutLeak(() =>
      tf.tidy(() => {
        const { gates, assigned, chosen } = keepTop(tf.tensor2d(probabilities), k, gate);
        return [gates, assigned, chosen].map((tensor) => [...tensor.dataSync()]);
      }),
    );

  it('keeps the largest probabilities as they are, or makes them sum to 1', () => {
    const [gates, assigned, chosen] = kept(2, 'softmax-topk');
    assertClose(gates!, [0.5, 0, 0.3, 0, 0.6, 0.3], 1e-6);
    assert.deepEqual(assigned, [1, 1, 2]);
    assert.deepEqual(chosen, [1, 0, 1, 0, 1, 1]);
    assertClose(kept(2, 'topk-softmax')[0]!, [5 / 8, 0, 3 / 8, 0, 2 / 3, 1 / 3], 1e-6);
    assertClose(kept(3, 'softmax-topk')[0]!, probabilities.flat(), 1e-6);
  });
});

onEveryBackend('a router with normalised logits', () => {
  it('has logits of mean 0 and the deviation that is asked for, and equal ones where scores are equal', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const u = tf.tensor2d([
          [1, 0],
          [0, 1],
          [0, 0],
        ]);
        const weight = tf.tensor2d([
          [3, 1],
          [-1, 2],
          [1, 3],
          [1, -6],
        ]);
        const found = routerScores(u, weight, 2);
        const spread = Math.sqrt(12.5 + 1e-6); // variance of 1, 2, 3, -6
        const expected = [2 / Math.SQRT2, -2 / Math.SQRT2, 0, 0].map((z) => z * 2);
        assertClose(
          found.logits.dataSync(),
          [...expected, ...[1, 2, 3, -6].map((z) => (2 * z) / spread), 0, 0, 0, 0],
          1e-5,
        );
        assertClose(found.probabilities.dataSync().slice(8), [0.25, 0.25, 0.25, 0.25], 1e-6);
      }),
    );
  });
});

onEveryBackend('routing statistics', () => {
  it('are those of a case worked out by hand, over two batches', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const statistics = new RoutingStatistics();
        const even = [0.25, 0.25, 0.25, 0.25];
        statistics.add([
          routerOutput([[1, 0, 0, 0], [0, 1, 0, 0], even], { assigned: tf.tensor1d([2, 1, 0, 0]) }),
          routerOutput(
            [
              [0.5, 0.25, 0.25],
              [0.1, 0.2, 0.7],
              [0.2, 0.2, 0.6],
            ],
            { router: 'attention' },
          ),
        ]);
        statistics.add([routerOutput([[0, 1, 0, 0]], { assigned: tf.tensor1d([0, 1, 0, 0]) })]);
        const [ffnRouter, attentionRouter] = statistics.summarize();
        assert.deepEqual([ffnRouter!.layer, ffnRouter!.router, ffnRouter!.deadExperts], [0, 'ffn', 2]);
        assertClose(ffnRouter!.load, [0.5, 0.5, 0, 0], 1e-6, 'load');
        assertClose(ffnRouter!.meanGate, [1.25 / 4, 2.25 / 4, 0.0625, 0.0625], 1e-6, 'mean gate');
        assertClose([ffnRouter!.entropy, ffnRouter!.maxViolation], [Math.log(4) / 4, 1], 1e-6, 'entropy, MaxVio');
        assert.deepEqual([attentionRouter!.router, attentionRouter!.deadExperts], ['attention', 1]);
        assertClose(attentionRouter!.load, [1 / 3, 0, 2 / 3], 1e-6, 'load');
        assertClose([attentionRouter!.maxViolation], [1], 1e-6, 'MaxVio');
      }),
    );
  });

  it('are of the largest gate where FFNs are soft, and of what was sent where attention chooses', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const probabilities = [...repeat([0.6, 0.4], 3), [0.1, 0.9]];
        const statistics = new RoutingStatistics();
        const assigned = tf.tensor1d([2, 2]);
        statistics.add([routerOutput(probabilities), routerOutput(probabilities, { router: 'attention', assigned })]);
        const [soft, chosen] = statistics.summarize();
        assertClose(soft!.load, [0.75, 0.25], 1e-6, 'load of soft FFNs');
        assertClose(chosen!.load, [0.5, 0.5], 1e-6, 'load of attention');
      }),
    );
  });

  it('count pairs where a token has two experts, and are balanced at MaxVio 0', () => {
    withoutLeak(() =>
      tf.tidy(() => {
        const statistics = new RoutingStatistics();
        statistics.add([routerOutput(repeat([0.5, 0.5], 3), { layer: 1, assigned: tf.tensor1d([3, 3]) })]);
        const [router] = statistics.summarize();
        assert.deepEqual(router, {
          layer: 1,
          router: 'ffn',
          load: [0.5, 0.5],
          meanGate: [0.5, 0.5],
          entropy: router!.entropy,
          maxViolation: 0,
          deadExperts: 0,
        });
        assertClose([router!.entropy], [Math.LN2], 1e-6, 'entropy');
      }),
    );
  });

  it('say which experts tokens have together, pair by pair', () => {
    const statistics = new RoutingStatistics(true);
    const two = { layer: 0, experts: 3, probabilities: Float32Array.from(repeat([0.5, 0.3, 0.2], 4).flat()) };
    const chosen = [1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1];
    statistics.addNumbers({ ...two, router: 'ffn', chosen: Float32Array.from(chosen) });
    const soft = Float32Array.from([0.5, 0.25, 0.25, 0, 0.5, 0.5]);
    statistics.addNumbers({ layer: 0, router: 'attention', experts: 3, probabilities: soft });
    const one = { layer: 1, router: 'ffn', experts: 2, probabilities: Float32Array.from([0.5, 0.5]) } as const;
    statistics.addNumbers({ ...one, chosen: Float32Array.from([1, 0]) });
    statistics.addNumbers({ layer: 2, router: 'ffn', experts: 3, probabilities: soft });
    const [ffnRouter, attentionRouter, single, softFfn] = statistics.summarize();
    assert.deepEqual(ffnRouter!.coActivation, [0.5, 0.25, 0.25]);
    assert.deepEqual(attentionRouter!.coActivation, [0.0625, 0.0625, 0.1563]);
    assert.equal(single!.coActivation, undefined);
    assert.deepEqual(softFfn!.coActivation, attentionRouter!.coActivation);
  });

  it('say which share of the choices is as in an evaluation before', () => {
    const choose = (...batches: number[][]): RoutingStatistics => {
      const statistics = new RoutingStatistics(true);
      for (const batch of batches) {
        const chosen = Float32Array.from(batch);
        statistics.addNumbers({ layer: 0, router: 'ffn', experts: 3, probabilities: chosen, chosen });
      }
      return statistics;
    };
    const before = choose([1, 1, 0, 0, 1, 1], [1, 0, 1]).choices();
    const now = choose([1, 0, 1, 0, 1, 1], [0, 1, 1]);
    assert.equal(now.summarize()[0]!.saturation, undefined);
    assert.equal(now.summarize(before)[0]!.saturation, 4 / 6);
    const gates = new RoutingStatistics(true);
    const probabilities = Float32Array.from([0.6, 0.4, 0.1, 0.9]);
    gates.addNumbers({ layer: 0, router: 'attention', experts: 2, probabilities });
    const other = new RoutingStatistics(true);
    other.addNumbers({ layer: 0, router: 'attention', experts: 2, probabilities: Float32Array.from([1, 0, 0.8, 0.2]) });
    assert.equal(other.summarize(gates.choices())[0]!.saturation, 0.5);
  });

  it('follow the choices of the first 4096 tokens alone', () => {
    const statistics = new RoutingStatistics(true);
    const probabilities = new Float32Array(2 * 3000).fill(0.5);
    for (let i = 0; i < 3; i++) statistics.addNumbers({ layer: 0, router: 'attention', experts: 2, probabilities });
    const [choices] = [...statistics.choices().values()];
    assert.deepEqual(
      choices!.map(({ length }) => length),
      [6000, 2192],
    );
  });

  it('are none for a dense model', () => assert.deepEqual(new RoutingStatistics().summarize(), []));
});
