import type { Architecture, MixtureArchitecture } from '../../src/architecture/architecture';

/** A size of model, and how many sequences a step trains on. */
export interface Size {
  dense: Architecture;
  batch: number;
}

function size(
  vocabulary: number,
  width: number,
  layers: number,
  heads: number,
  ffnHidden: number,
  context: number,
  batch: number,
): Size {
  const fixed = { tiedEmbeddings: true, ropeBase: 10000, normEpsilon: 1e-5 };
  return { dense: { layers, width, heads, kvHeads: heads, ffnHidden, context, vocabulary, ...fixed }, batch };
}

/** Small, middle and large, as experiments on a laptop have them. */
export const SIZES: Record<string, Size> = {
  S: size(512, 128, 4, 4, 256, 128, 16),
  M: size(4096, 256, 4, 4, 512, 128, 8),
  L: size(8192, 512, 8, 8, 1024, 256, 4),
};

const TOP_1_OF_4 = { experts: 4, ffnTopK: 1, gate: 'softmax-topk' } as const;

/** Kinds of model: dense, and top-1 mixtures of four experts. */
export const KINDS: Record<string, MixtureArchitecture | undefined> = {
  dense: undefined,
  btx: { ...TOP_1_OF_4, attention: 'averaged' },
  'kv-experts': { ...TOP_1_OF_4, attention: 'kv-experts' },
  'shared-kv': { ...TOP_1_OF_4, attention: 'shared-kv' },
};

/** One model to measure. */
export function benchArchitecture(sizeName: string, kind: string): Architecture {
  const mixture = KINDS[kind];
  return { ...SIZES[sizeName]!.dense, ...(mixture && { mixture }) };
}

/** The optimizer's settings of every measurement. */
export const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
