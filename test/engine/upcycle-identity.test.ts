import * as tf from '@tensorflow/tfjs';
import type { Architecture, MixtureArchitecture } from '../../src/architecture/architecture';
import { EMBEDDING, FINAL_NORM, normName, OUTPUT_HEAD, routerName } from '../../src/architecture/parameters';
import { uniformGenerator } from '../../src/base/random';
import { layerNorm } from '../../src/engine/ops/layer-norm';
import { linear } from '../../src/engine/ops/linear';
import { embed } from '../../src/engine/ops/rows';
import { attention, attentionTables } from '../../src/model/attention';
import { ffn } from '../../src/model/ffn';
import { matrix, vector } from '../../src/model/lookup';
import { createParameters, disposeParameters, type ModelParameters } from '../../src/model/parameters';
import { forward, logits } from '../../src/model/transformer';
import { type Parent, upcycle, type UpcycleOptions } from '../../src/upcycle/upcycle';
import { assertClose, largeValues, onEveryBackend, randomBatch, withoutLeak } from '../support/engine';
import { describeShape, randomShapes } from '../support/shapes';

/** Logits are of the order of 1 to 10. */
const TOLERANCE = 2e-4;

const ATTENTIONS = ['averaged', 'kv-experts', 'shared-kv'] as const;
const GATES = ['softmax-topk', 'topk-softmax'] as const;

/** How equal experts come about, and how they start. */
interface Start {
  /** Several stages that happen to be equal (bam, btx), or one that is copied (sparse). */
  parents: 'equal' | 'one';
  options: UpcycleOptions;
}

const STARTS: Start[] = (['equal', 'one'] as const).flatMap((parents) =>
  [undefined, { ratio: 0, indices: 'per-matrix' as const }].flatMap((drop) =>
    [false, true].flatMap((weightScaling) =>
      (['normal', 'zero'] as const).map((init) => ({
        parents,
        options: { drop, weightScaling, router: { init, deviation: 0.5 } },
      })),
    ),
  ),
);

/** All combinations of gate, attention and start that an experiment may ask for, in a random order. */
function combinations(
  seed: number,
): { gate: MixtureArchitecture['gate']; attention: MixtureArchitecture['attention']; start: Start }[] {
  const uniform = uniformGenerator(seed);
  const all = GATES.flatMap((gate) =>
    ATTENTIONS.flatMap((kind) => STARTS.map((start) => ({ gate, attention: kind, start }))),
  );
  return all
    .map((each) => ({ each, at: uniform() }))
    .sort((a, b) => a.at - b.at)
    .map(({ each }) => each);
}

const PER_SHAPE = 8;
const shapes = randomShapes(12, 7);

onEveryBackend('a mixture of equal parents, before it trains', () => {
  for (const [i, shape] of shapes.entries()) {
    it(describeShape(shape), () => {
      // Twelve shapes by eight are all 96 combinations.
      for (const combination of combinations(1).slice(i * PER_SHAPE, (i + 1) * PER_SHAPE)) check(shape, combination);
    });
  }
});

function check(
  { batch, mixture: shape }: (typeof shapes)[number],
  { gate, attention: kind, start }: ReturnType<typeof combinations>[number],
): void {
  const { mixture: experts, ...dense } = shape;
  const mixture = { ...dense, mixture: { ...experts!, gate, attention: kind } };
  const values = largeValues(dense, 1);
  const parent = (name: string): Parent => ({ name, architecture: dense, parameters: values });
  const one = parent('one');
  const parents = Array.from({ length: experts!.experts }, (_, i) => (start.parents === 'one' ? one : parent(`p${i}`)));
  const upcycled = upcycle(parents, mixture, 5, start.options);
  const what = JSON.stringify({ gate, kind, ...start });
  withoutLeak(() => {
    const [own, many] = [createParameters(dense, values), createParameters(mixture, upcycled)];
    tf.tidy(() => {
      const ids = tf.tensor1d(randomBatch(dense, batch, 4).inputs, 'int32');
      const tables = attentionTables(dense, dense.context);
      const found = logits(forward(mixture, many, ids, tables)).dataSync<'float32'>();
      assertClose(found, expectedLogits(mixture, own, many, start.options, ids).dataSync(), TOLERANCE, what);
      const { weightScaling, router } = start.options;
      const addsUpToOne = gate === 'topk-softmax' ? !weightScaling : weightScaling && router!.init === 'zero';
      if (addsUpToOne)
        assertClose(found, logits(forward(dense, own, ids, tables)).dataSync(), TOLERANCE, `dense: ${what}`);
    });
    [own, many].forEach(disposeParameters);
  });
}

/**
 * The logits in closed form, from the dense model: x + MHA(u) + s FFN(u) in every block. Attention gates add up to 1, so that equal attentions
 * are one; s is the sum of a token's FFN gates, times N/k where weights are scaled.
 */
function expectedLogits(
  mixture: Architecture,
  dense: ModelParameters,
  routers: ModelParameters,
  { weightScaling }: UpcycleOptions,
  ids: tf.Tensor1D,
): tf.Tensor {
  const { mixture: experts, ...architecture } = mixture;
  const { layers, normEpsilon, tiedEmbeddings } = architecture;
  const tables = attentionTables(architecture, architecture.context);
  let x = embed(matrix(dense, EMBEDDING), ids);
  for (let layer = 0; layer < layers; layer++) {
    const u = layerNorm(x, vector(dense, normName(layer)), normEpsilon);
    const p = tf.softmax(linear(u, matrix(routers, routerName(layer, 'ffn'))));
    const chosen = tf.sum(tf.topk(p, experts!.ffnTopK).values, 1, true);
    const gates = experts!.gate === 'topk-softmax' ? tf.onesLike(chosen) : chosen;
    const size = tf.mul(gates, weightScaling ? experts!.experts / experts!.ffnTopK : 1);
    const attended = attention(architecture, dense, layer, u, tables).output;
    x = tf.addN([x, attended, tf.mul(ffn(architecture, dense, layer, u).output, size)]);
  }
  const head = matrix(dense, tiedEmbeddings ? EMBEDDING : OUTPUT_HEAD);
  return linear(layerNorm(x, vector(dense, FINAL_NORM), normEpsilon), head);
}
