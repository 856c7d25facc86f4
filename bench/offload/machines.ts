import { expertLayout } from '../../src/offload/layout';
import type { Part } from '../../src/offload/cache';
import type { SimulatedMachine } from '../../src/offload/simulate';

/** Mixtral-8x7B as HOBBIT (arXiv 2411.01433) serves it: 32 layers of 8 experts, of which each token has 2. */
export const MIXTRAL = { layers: 32, experts: 8, topK: 2, width: 4096, ffnHidden: 14336, keyValueWidth: 1024 };
/** Numbers of one expert: gate, up and down. */
const EXPERT_WEIGHTS = 3 * MIXTRAL.width * MIXTRAL.ffnHidden;
/** Numbers of a layer's attention: queries and outputs, keys and values. */
const ATTENTION_WEIGHTS = 2 * MIXTRAL.width * MIXTRAL.width + 2 * MIXTRAL.width * MIXTRAL.keyValueWidth;
/** Weights that have one scale, of four bytes. */
const GROUP = 64;

/** A computer with experts behind a link. */
export interface Computer {
  name: string;
  machine: SimulatedMachine;
  expertBytes: Record<Part, number>;
  /** Bytes of its memory that experts may take. */
  budget: number;
}

interface Hardware {
  name: string;
  /** Bytes of a weight in high precision, bits in low. */
  highBytes: number;
  lowBits: number;
  /** Bytes a second that memory gives, and that the link gives really. */
  memory: number;
  link: number;
  /** Numbers that are multiplied and added a second, times two. */
  flops: number;
  budget: number;
}

/** Decoding reads every weight that it uses once: so long it takes. */
function computer({ name, highBytes, lowBits, memory, link, flops, budget }: Hardware): Computer {
  const scales = (4 * EXPERT_WEIGHTS) / GROUP;
  const expertBytes = {
    high: EXPERT_WEIGHTS * highBytes + (highBytes < 2 ? scales : 0),
    low: lowBits === 4 ? expertLayout(MIXTRAL, 'int4', GROUP).bytes : (EXPERT_WEIGHTS * lowBits) / 8 + scales,
  };
  return {
    ...{ name, expertBytes, budget },
    machine: {
      bandwidth: link,
      layerSeconds: (ATTENTION_WEIGHTS * highBytes) / memory,
      expertSeconds: { high: expertBytes.high / memory, low: expertBytes.low / memory },
      tokenSeconds: (2 * EXPERT_WEIGHTS) / flops,
    },
  };
}

/** Of 24 GB, 3 GB are other weights (87 of which 84 are experts) and 1 GB is left for keys, values and activations. PCIe 4.0 x16 has 32 GB/s in name, and gives about 25. */
export const RTX_4090 = computer({
  ...{ name: 'RTX 4090, PCIe 4.0', highBytes: 2, lowBits: 4 },
  ...{ memory: 1008e9, link: 25e9, flops: 165e12, budget: 20e9 },
});

/** Of 32 GB, about 6 are for the system, other weights, keys and values. The paper measures about 3 GB/s of its disk. int8 and int2, as there. */
export const ORIN = computer({
  ...{ name: 'Jetson AGX Orin, NVMe', highBytes: 1, lowBits: 2 },
  ...{ memory: 204.8e9, link: 3e9, flops: 42e12, budget: 26e9 },
});
