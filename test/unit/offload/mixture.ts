import type { Architecture } from '../../../src/architecture/architecture';
import { elementCount, parameterSpecs } from '../../../src/architecture/parameters';
import { normalValues } from '../../../src/base/random';

/** A small mixture: two layers of three experts. */
export const MIXTURE: Architecture = {
  layers: 2,
  width: 8,
  heads: 2,
  kvHeads: 2,
  ffnHidden: 12,
  context: 6,
  vocabulary: 11,
  tiedEmbeddings: true,
  ropeBase: 10000,
  normEpsilon: 1e-5,
  mixture: { experts: 3, ffnTopK: 2, gate: 'topk-softmax', attention: 'averaged' },
};

/** Random parameters of an architecture. */
export function parametersOf(architecture: Architecture, seed = 1): Map<string, Float32Array> {
  return new Map(
    parameterSpecs(architecture).map(({ name, shape, role }, i) => {
      const values = normalValues(seed * 1000 + i, elementCount(shape), role === 'router' ? 1 : 0.3);
      return [name, role === 'norm' ? values.map((value) => 1 + value / 10) : values];
    }),
  );
}
