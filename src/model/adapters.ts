import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import { adaptedPlaces, type AdaptedPlace, adapterHeads, adapterName } from '../architecture/adapters';
import { linear } from '../engine/ops/linear';
import { matrix } from './lookup';
import type { ModelParameters } from './parameters';
import { type RouterOutput, routerScores } from './routing';

/** The adapters of one block (MoV and MoLoRA, arXiv 2309.05444, section 2). */
export interface BlockAdapters {
  /** What a place gives with its adapter, (K, outputs): `x` went in, `y` came out. `y` itself where the place has no adapter. */
  apply: (place: AdaptedPlace, x: tf.Tensor2D, y: tf.Tensor2D) => tf.Tensor2D;
  /** The decisions of the routers of those that were applied. */
  routers: RouterOutput[];
}

/** The adapters of a block. */
export function blockAdapters(architecture: Architecture, parameters: ModelParameters, layer: number): BlockAdapters {
  const routers: RouterOutput[] = [];
  const places = adaptedPlaces(architecture);
  const apply: BlockAdapters['apply'] = (place, x, y) => {
    if (!places.includes(place)) return y;
    const { method, experts, rank, alpha } = architecture.adapters!;
    const tensor = (name: 'vectors' | 'a' | 'b'): tf.Tensor2D => matrix(parameters, adapterName(layer, place, name));
    const gates = (read: tf.Tensor2D): tf.Tensor2D | undefined => {
      if (experts === 1) return undefined;
      const scores = routerScores(read, matrix(parameters, adapterName(layer, place, 'router')));
      routers.push({ layer, router: `adapter ${place}`, ...scores });
      return scores.probabilities;
    };
    if (method === 'mov') return scale(y, tensor('vectors'), adapterHeads(architecture, place), gates);
    const product = lowRankProduct(x, tensor('a'), tensor('b'), gates(x));
    return tf.add(y, tf.mul(product, alpha! / rank!));
  };
  return { apply, routers };
}

/**
 * MoV: y (1 + s L) for each head, s being the gates of the head's own numbers. `y` (T, H*D); `vectors` L (experts, H*D) are the
 * differences of the (IA)^3 vectors to 1, so that at zero nothing changes to the last bit; `gates` are for rows (T*H, D).
 */
function scale(
  y: tf.Tensor2D,
  vectors: tf.Tensor2D,
  heads: number,
  gates: (rows: tf.Tensor2D) => tf.Tensor2D | undefined,
): tf.Tensor2D {
  const [tokens, outputs] = y.shape;
  const experts = vectors.shape[0];
  const size = outputs / heads;
  const s = gates(heads === 1 ? y : tf.reshape(y, [tokens * heads, size]));
  if (!s) return tf.mul(y, tf.add(vectors, 1));
  if (heads === 1) return tf.mul(y, tf.add(tf.matMul(s, vectors), 1));
  const byHead = tf.transpose(tf.reshape(s, [tokens, heads, experts]), [1, 0, 2]); // (H, T, experts)
  const ofHead = tf.transpose(tf.reshape(vectors, [experts, heads, size]), [1, 0, 2]); // (H, experts, D)
  const mixed = tf.transpose(tf.matMul(byHead, ofHead), [1, 0, 2]); // (T, H, D)
  return tf.mul(y, tf.add(tf.reshape(mixed, [tokens, outputs]), 1));
}

/** MoLoRA: the sum of s_i B_i A_i x. `x` (T, inputs), `a` (experts*rank, inputs), `b` (outputs, experts*rank), `gates` (T, experts). */
function lowRankProduct(x: tf.Tensor2D, a: tf.Tensor2D, b: tf.Tensor2D, gates: tf.Tensor2D | undefined): tf.Tensor2D {
  const low = linear(x, a); // (T, experts*rank)
  if (!gates) return linear(low, b);
  const [tokens, experts] = gates.shape;
  const byExpert = tf.reshape(low, [tokens, experts, a.shape[0] / experts]);
  return linear(tf.reshape(tf.mul(byExpert, tf.expandDims(gates, 2)), low.shape), b);
}
