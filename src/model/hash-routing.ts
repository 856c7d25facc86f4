import { deriveSeed, uniformGenerator } from '../base/random';

/**
 * Which expert a layer sends each token id to: drawn for every id on its own, all experts alike (Hash Layers, arXiv 2106.04426, random
 * hash; MoEBERT, arXiv 2204.07675, section 3.3). (vocabulary)
 */
export function hashTable(seed: number, layer: number, experts: number, vocabulary: number): Int32Array {
  const uniform = uniformGenerator(deriveSeed(seed, 'hash', layer));
  return Int32Array.from({ length: vocabulary }, () => Math.floor(uniform() * experts));
}
