import * as tf from '@tensorflow/tfjs';
import type { AttentionCache, AttentionWeights } from '../model/attention';

/** Keys and values of the positions that a sequence has so far, (1, K, T, D) each. */
type LayerCache = Record<'key' | 'value', tf.Tensor4D>;

/**
 * The keys and values of one sequence, layer by layer. All heads stand side by side: those of every expert with KV experts, those that
 * all experts share, or those of the only attention.
 */
export class KeyValueCache {
  private readonly layers: (LayerCache | undefined)[] = [];
  private length = 0;

  /** How many positions it has. */
  get positions(): number {
    return this.length;
  }

  /** What the attention of a layer reads and extends. */
  layer(layer: number, weights: AttentionWeights): AttentionCache {
    const extend: AttentionCache['extend'] = (key, value) => {
      const before = this.layers[layer];
      const all = {
        key: tf.keep(before ? tf.concat([before.key, key], 2) : tf.clone(key)),
        value: tf.keep(before ? tf.concat([before.value, value], 2) : tf.clone(value)),
      };
      tf.dispose(before ?? []);
      this.layers[layer] = all;
      return all;
    };
    return { weights, extend };
  }

  /** Said behind a pass, when every layer has its positions. */
  advance(positions: number): void {
    this.length += positions;
  }

  dispose(): void {
    for (const layer of this.layers) tf.dispose(layer ?? []);
  }
}
