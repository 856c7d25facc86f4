import assert from 'node:assert/strict';
import type { Architecture, MixtureArchitecture } from '../../../src/architecture/architecture';
import { elementCount, parameterSpecs } from '../../../src/architecture/parameters';
import { normalValues } from '../../../src/base/random';
import type { Parent } from '../../../src/upcycle/upcycle';

/** The shape of every parent. */
export const dense: Architecture = {
  layers: 2,
  width: 8,
  heads: 4,
  kvHeads: 2,
  ffnHidden: 6,
  context: 4,
  vocabulary: 11,
  tiedEmbeddings: false,
  ropeBase: 10000,
  normEpsilon: 1e-5,
};

/** A mixture of such parents. */
export function mixed(attention: MixtureArchitecture['attention'], experts = 3): Architecture {
  return { ...dense, mixture: { experts, ffnTopK: 1, gate: 'softmax-topk', attention } };
}

/** A dense parent with random values. */
export function parent(name: string, seed: number, changes: Partial<Architecture> = {}): Parent {
  const architecture = { ...dense, ...changes };
  const parameters = new Map(
    parameterSpecs(architecture).map(({ name: tensor, shape }, i) => [
      tensor,
      normalValues(seed * 1000 + i, elementCount(shape), 1),
    ]),
  );
  return { name, architecture, parameters };
}

/** The same numbers to the last bit. */
export function sameBits(found: Float32Array | undefined, expected: ArrayLike<number>, name: string): void {
  assert.ok(found, `${name} is missing`);
  assert.deepEqual([...found], [...Float32Array.from(expected)], name);
}
