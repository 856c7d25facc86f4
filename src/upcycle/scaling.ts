import type { Architecture } from '../architecture/architecture';
import { ffnName } from '../architecture/parameters';

/**
 * Makes the output of every FFN expert N/k times as large, in place (weight scaling, "Upcycling Large Language Models into Mixture of
 * Experts", arXiv 2410.07524): with `softmax-topk` the k gates of a token add up to about k/N where the router knows nothing. The paper
 * multiplies both matrices of an FFN by (N/k)^(1/3), since with squared ReLU its output is of degree 3 in them. SwiGLU's is of degree 2 in
 * up and down, and of none in the gate, so here up and down are multiplied by (N/k)^(1/2): exactly N/k for the output.
 */
export function scaleExperts(
  parameters: ReadonlyMap<string, Float32Array>,
  { layers, mixture }: Pick<Architecture, 'layers' | 'mixture'>,
): void {
  const { experts, ffnTopK } = mixture!;
  const factor = Math.sqrt(experts / ffnTopK);
  for (let layer = 0; layer < layers; layer++) {
    for (let expert = 0; expert < experts; expert++) {
      for (const projection of ['up', 'down'] as const) {
        const matrix = parameters.get(ffnName(layer, projection, expert))!;
        matrix.forEach((value, i) => (matrix[i] = value * factor));
      }
    }
  }
}
