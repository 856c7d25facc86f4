import { type Architecture, headSize } from '../architecture/architecture';
import { type ParameterSpec, parameterSpecs } from '../architecture/parameters';

/** A model family of the transformers library whose checkpoints are read or written. */
export type Family = 'cohere' | 'gpt-neox' | 'llama' | 'mixtral';

/** Where a parameter lies in a checkpoint of a family: row r of ours is row `rows[r]` of theirs, or all rows are as they are. */
export interface TensorPlace {
  spec: ParameterSpec;
  theirs: string;
  /** Of their tensor. */
  shape: number[];
  rows?: Int32Array;
}

const LLAMA_ATTENTION = {
  'attention.query.weight': 'self_attn.q_proj.weight',
  'attention.key.weight': 'self_attn.k_proj.weight',
  'attention.value.weight': 'self_attn.v_proj.weight',
  'attention.output.weight': 'self_attn.o_proj.weight',
};
const LLAMA_FFN = {
  'ffn.gate.weight': 'mlp.gate_proj.weight',
  'ffn.up.weight': 'mlp.up_proj.weight',
  'ffn.down.weight': 'mlp.down_proj.weight',
};
const TWO_NORMS = {
  'attention.norm.weight': 'input_layernorm.weight',
  'ffn.norm.weight': 'post_attention_layernorm.weight',
};
const LLAMA_TOP = {
  'embedding.weight': 'model.embed_tokens.weight',
  'norm.weight': 'model.norm.weight',
  'head.weight': 'lm_head.weight',
};
const NEOX_LAYER = {
  ...TWO_NORMS,
  'attention.query.weight': 'attention.query_key_value.weight',
  'attention.key.weight': 'attention.query_key_value.weight',
  'attention.value.weight': 'attention.query_key_value.weight',
  'attention.output.weight': 'attention.dense.weight',
  'ffn.up.weight': 'mlp.dense_h_to_4h.weight',
  'ffn.down.weight': 'mlp.dense_4h_to_h.weight',
};

interface Names {
  top: Record<string, string>;
  /** Their prefix of a layer, before its number. */
  layers: string;
  /** Names inside a layer; `*` stands for the number of an expert. */
  layer: Record<string, string>;
}

const NAMES: Record<Family, Names> = {
  cohere: {
    top: LLAMA_TOP,
    layers: 'model.layers',
    layer: { 'norm.weight': 'input_layernorm.weight', ...LLAMA_ATTENTION, ...LLAMA_FFN },
  },
  llama: { top: LLAMA_TOP, layers: 'model.layers', layer: { ...TWO_NORMS, ...LLAMA_ATTENTION, ...LLAMA_FFN } },
  mixtral: {
    top: LLAMA_TOP,
    layers: 'model.layers',
    layer: {
      ...TWO_NORMS,
      ...LLAMA_ATTENTION,
      'ffn.router.weight': 'block_sparse_moe.gate.weight',
      'ffn.experts.*.gate.weight': 'block_sparse_moe.experts.*.w1.weight',
      'ffn.experts.*.up.weight': 'block_sparse_moe.experts.*.w3.weight',
      'ffn.experts.*.down.weight': 'block_sparse_moe.experts.*.w2.weight',
    },
  },
  'gpt-neox': {
    top: {
      'embedding.weight': 'gpt_neox.embed_in.weight',
      'norm.weight': 'gpt_neox.final_layer_norm.weight',
      'norm.bias': 'gpt_neox.final_layer_norm.bias',
      'head.weight': 'embed_out.weight',
    },
    layers: 'gpt_neox.layers',
    layer: { ...NEOX_LAYER, ...withBiases(NEOX_LAYER) },
  },
};

function withBiases(names: Record<string, string>): Record<string, string> {
  const bias = (name: string): string => name.replace(/weight$/, 'bias');
  return Object.fromEntries(Object.entries(names).map(([ours, theirs]) => [bias(ours), bias(theirs)]));
}

/** Where every parameter of a model lies in a checkpoint of this family, in the order of the forward pass. The model must be one that the family has. */
export function tensorPlaces(family: Family, architecture: Architecture): TensorPlace[] {
  return parameterSpecs(architecture).map((spec) => {
    const theirs = theirName(family, spec);
    if (family === 'gpt-neox' && theirs.includes('query_key_value')) return fusedPlace(spec, theirs, architecture);
    const isTurned = family === 'cohere' && /\.(query|key)\.weight$/.test(spec.name);
    return { spec, theirs, shape: spec.shape, ...(isTurned && { rows: halvesOfPairs(spec, architecture) }) };
  });
}

function theirName(family: Family, { name, expert }: ParameterSpec): string {
  const { top, layers, layer } = NAMES[family];
  const inside = /^layers\.(\d+)\.(.*)$/.exec(name);
  if (!inside) return top[name]!;
  const key = inside[2]!.replace(/experts\.\d+/, 'experts.*');
  return `${layers}.${inside[1]}.${layer[key]!.replace('*', String(expert))}`;
}

/** Cohere turns neighbours (2i, 2i + 1) of a head, we turn (i, i + D/2): the same, with the rows of queries and keys in another order. */
function halvesOfPairs({ shape }: ParameterSpec, architecture: Architecture): Int32Array {
  const size = headSize(architecture);
  return Int32Array.from({ length: shape[0]! }, (_, row) => {
    const inHead = row % size;
    const half = size / 2;
    return row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
  });
}

/**
 * GPT-NeoX keeps queries, keys and values of a head together. Of a head it turns the first R dimensions, (i, i + R/2); we turn those
 * of (i, i + D/2) with i < R/2.
 */
function fusedPlace(spec: ParameterSpec, theirs: string, architecture: Architecture): TensorPlace {
  const size = headSize(architecture);
  const part = ['query', 'key', 'value'].findIndex((projection) => spec.name.includes(`.${projection}.`));
  const rows = Int32Array.from({ length: spec.shape[0]! }, (_, row) => {
    const inHead = row % size;
    const head = (row - inHead) / size;
    const dimension = part === 2 ? inHead : turnedFirst(inHead, size, architecture.rotaryDimensions ?? size);
    return (3 * head + part) * size + dimension;
  });
  return { spec, theirs, shape: [3 * spec.shape[0]!, ...spec.shape.slice(1)], rows };
}

function turnedFirst(inHead: number, size: number, turned: number): number {
  const half = size / 2;
  const pair = inHead % half;
  const side = inHead < half ? 0 : 1;
  const isTurned = pair < turned / 2;
  return isTurned ? side * (turned / 2) + pair : turned + side * (half - turned / 2) + (pair - turned / 2);
}
