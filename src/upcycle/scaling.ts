import type { Architecture } from '../architecture/architecture';
import { biasName, ffnName } from '../architecture/parameters';

/**
 * Makes the output of every FFN expert N/k times as large, in place (weight scaling, "Upcycling Large Language Models into Mixture of
 * Experts", arXiv 2410.07524): with `softmax-topk` the k gates of a token add up to about k/N where the router knows nothing. The paper
 * multiplies both matrices of an FFN by (N/k)^(1/3), since with squared ReLU its output is of degree 3 in them. SwiGLU's is of degree 2 in
 * up and down, and of none in the gate, so here up and down are multiplied by (N/k)^(1/2): exactly N/k for the output. GELU has no degree,
 * so there down and its bias take all of N/k.
 */
export function scaleExperts(
  parameters: ReadonlyMap<string, Float32Array>,
  { layers, mixture, ffn }: Pick<Architecture, 'layers' | 'mixture' | 'ffn'>,
): void {
  const { experts, ffnTopK } = mixture!;
  const isGelu = ffn === 'gelu';
  const factor = isGelu ? experts / ffnTopK : Math.sqrt(experts / ffnTopK);
  for (let layer = 0; layer < layers; layer++) {
    for (let expert = 0; expert < experts; expert++) {
      const down = ffnName(layer, 'down', expert);
      for (const name of [down, isGelu ? biasName(down) : ffnName(layer, 'up', expert)]) {
        const tensor = parameters.get(name)!;
        tensor.forEach((value, i) => (tensor[i] = value * factor));
      }
    }
  }
}
