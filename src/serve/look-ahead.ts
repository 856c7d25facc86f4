import * as tf from '@tensorflow/tfjs';
import { hasFfnRouter } from '../architecture/architecture';
import { routerName } from '../architecture/parameters';
import { ffnChoices } from '../architecture/zero-computation';
import { linear } from '../engine/ops/linear';
import { ffnScores } from '../model/ffn';
import { matrix } from '../model/lookup';
import type { DecodingModel } from './model';

/**
 * The logits of the next `count` layers' FFN routers, fewer where the model ends, if they read `u` (T, E): (T x columns) each, on the host.
 * `before` are those of the layer's own router. With hash routing `undefined` for each.
 */
export async function logitsAhead(
  model: DecodingModel,
  u: tf.Tensor2D,
  { layer, before, count }: { layer: number; before: tf.Tensor2D | undefined; count: number },
): Promise<(Float32Array | undefined)[]> {
  const { layers, mixture } = model.architecture;
  const next = Array.from({ length: Math.min(count, layers - 1 - layer) }, (_, i) => layer + 1 + i);
  if (!next.length || !hasFfnRouter(mixture!)) return next.map(() => undefined);
  const stacked = tf.tidy(() => stackedLogits(model, next, u, before));
  const values = await stacked.data<'float32'>();
  stacked.dispose();
  const columns = ffnChoices(mixture!);
  const [tokens] = u.shape;
  return next.map((_, ahead) => {
    const logits = new Float32Array(tokens * columns);
    for (let token = 0; token < tokens; token++) {
      const start = (token * next.length + ahead) * columns;
      logits.set(values.subarray(start, start + columns), token * columns);
    }
    return logits;
  });
}

/**
 * Side by side, (T, layers x columns). All routers are one product (HOBBIT, arXiv 2411.01433, the stacking computer) unless more is done with
 * their logits.
 */
function stackedLogits(
  { architecture, parameters }: DecodingModel,
  layers: readonly number[],
  u: tf.Tensor2D,
  before: tf.Tensor2D | undefined,
): tf.Tensor2D {
  const mixture = architecture.mixture!;
  const isPlain = !mixture.gatingResidual && !mixture.router?.normalizeLogits && mixture.pruned?.routing !== 'masked';
  if (isPlain) return linear(u, tf.concat(layers.map((layer) => matrix(parameters, routerName(layer, 'ffn')))));
  let scores = before;
  return tf.concat(
    layers.map((layer) => (scores = ffnScores(mixture, parameters, layer, u, { scores }).logits)),
    1,
  );
}
