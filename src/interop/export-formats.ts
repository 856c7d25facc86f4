import type { Architecture, ArchitectureVariant, MixtureArchitecture } from '../architecture/architecture';
import type { Family } from './tensor-places';

/** What a model can be exported as: a family of the transformers library, or a folder with its own Python code. */
export type ExportFormat = Family | 'bam';
export const EXPORT_FORMATS: readonly ExportFormat[] = ['cohere', 'gpt-neox', 'llama', 'mixtral', 'bam'];

type Json = Record<string, unknown>;

/** What an architecture may say; a key beyond these is not exported in silence. */
const KNOWN: Record<'dense' | 'mixture', readonly string[]> = {
  dense: [
    ...['layers', 'width', 'heads', 'kvHeads', 'ffnHidden', 'context', 'vocabulary', 'tiedEmbeddings', 'ropeBase'],
    ...['normEpsilon', 'mixture', 'block', 'norm', 'ffn', 'biases', 'rotaryDimensions', 'logitScale'],
  ],
  mixture: ['experts', 'ffnTopK', 'gate', 'attention'] satisfies (keyof MixtureArchitecture)[],
};

/** What keys of a mixture that no format has mean, where their names alone say little. */
const MIXTURE_WORDS: Readonly<Record<string, string>> = {
  pruned: 'pruned experts',
  zeroComputation: 'zero-computation experts',
  gatingResidual: 'gating residuals',
  ffnRouting: 'FFN routing other than top-k',
  hashSeed: 'hash routing',
} satisfies { [key in keyof MixtureArchitecture]?: string };

/** Variants that a family may have; all others must be absent. */
const ALLOWED: Record<Family, { [key in keyof ArchitectureVariant]?: readonly ArchitectureVariant[key][] | 'any' }> = {
  cohere: { logitScale: 'any' },
  llama: { block: ['sequential'], norm: ['rms'] },
  mixtral: { block: ['sequential'], norm: ['rms'] },
  'gpt-neox': {
    block: ['sequential', 'parallel-two-norms'],
    ffn: ['gelu'],
    biases: [true],
    rotaryDimensions: 'any',
  },
};
const VARIANTS = ['block', 'norm', 'ffn', 'biases', 'rotaryDimensions', 'logitScale'] as const;

/** Why a model cannot be said in a format, in words; `undefined` where it can. */
export function exportProblem(format: ExportFormat, architecture: Architecture): string | undefined {
  const { mixture } = architecture;
  const unknown = [
    ...unknownKeys(architecture, KNOWN.dense),
    ...unknownKeys(mixture ?? {}, KNOWN.mixture).map((key) => {
      const words = MIXTURE_WORDS[key];
      return words ? `${words} (mixture.${key})` : `mixture.${key}`;
    }),
  ];
  if (unknown.length) return `no format says ${unknown.join(', ')}`;
  if (format === 'bam') return undefined;
  for (const key of VARIANTS) {
    const allowed = ALLOWED[format][key] ?? [undefined];
    const found = architecture[key];
    if (allowed === 'any' || (allowed as unknown[]).includes(found)) continue;
    return `${key} should be ${allowed.map((value) => value ?? 'absent').join(' or ')}, found ${found ?? 'absent'}`;
  }
  if (format === 'gpt-neox' && architecture.kvHeads !== architecture.heads) {
    return `kvHeads should be ${architecture.heads}, as many as heads, found ${architecture.kvHeads}`;
  }
  return mixtureProblem(format, mixture);
}

function unknownKeys(value: object, known: readonly string[]): string[] {
  return Object.entries(value).flatMap(([key, found]) => (found === undefined || known.includes(key) ? [] : [key]));
}

function mixtureProblem(format: Family, mixture: MixtureArchitecture | undefined): string | undefined {
  if (format !== 'mixtral') return mixture && 'the model is a mixture, the format has dense models only';
  if (!mixture) return 'the model is dense, the format has mixtures only';
  if (mixture.attention !== 'averaged') return `attention should be averaged (btx), found ${mixture.attention}`;
  if (mixture.gate !== 'topk-softmax') return `gate should be topk-softmax, found ${mixture.gate}`;
  return undefined;
}

/** The first format that says a model without code of its own, else `bam`. */
export function defaultFormat(architecture: Architecture): ExportFormat {
  return EXPORT_FORMATS.find((format) => exportProblem(format, architecture) === undefined) ?? 'bam';
}

/** Keys whose numbers transformers takes only with a point: `1.0`, where JSON writes `1`. */
const WITH_POINT = /^( *"(?:\w+_(?:eps|epsilon|theta|base|pct|scale))": \d+)(,?)$/gm;

/** The text of an exported model's config.json. `endOfDocument` is the token that closes a text. */
export function exportConfig(format: ExportFormat, architecture: Architecture, endOfDocument: number): string {
  const config = configOf(format, architecture, endOfDocument);
  return `${JSON.stringify(config, undefined, 2)}\n`.replace(WITH_POINT, '$1.0$2');
}

function configOf(format: ExportFormat, architecture: Architecture, endOfDocument: number): Json {
  const common = {
    torch_dtype: 'float32',
    bos_token_id: null,
    eos_token_id: endOfDocument,
    pad_token_id: null,
    tie_word_embeddings: architecture.tiedEmbeddings,
    vocab_size: architecture.vocabulary,
  };
  if (format === 'bam') return { ...bamConfig(architecture), ...common };
  const sizes = {
    hidden_size: architecture.width,
    intermediate_size: architecture.ffnHidden,
    max_position_embeddings: architecture.context,
    num_attention_heads: architecture.heads,
    num_hidden_layers: architecture.layers,
  };
  return { ...familyConfig(format, architecture), ...common, ...sizes };
}

function familyConfig(family: Family, architecture: Architecture): Json {
  const { ropeBase, normEpsilon, kvHeads, width, heads, logitScale, mixture } = architecture;
  const llama = { hidden_act: 'silu', num_key_value_heads: kvHeads, rope_theta: ropeBase };
  switch (family) {
    case 'cohere':
      return {
        ...{ architectures: ['CohereForCausalLM'], model_type: 'cohere', ...llama },
        ...{ attention_bias: false, use_qk_norm: false, layer_norm_eps: normEpsilon, logit_scale: logitScale ?? 1 },
      };
    case 'llama':
      return {
        ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', ...llama },
        ...{ attention_bias: false, mlp_bias: false, rms_norm_eps: normEpsilon },
      };
    case 'mixtral':
      return {
        ...{ architectures: ['MixtralForCausalLM'], model_type: 'mixtral', ...llama, rms_norm_eps: normEpsilon },
        ...{ num_local_experts: mixture!.experts, num_experts_per_tok: mixture!.ffnTopK, sliding_window: null },
      };
    case 'gpt-neox':
      return {
        ...{ architectures: ['GPTNeoXForCausalLM'], model_type: 'gpt_neox', hidden_act: 'gelu', attention_bias: true },
        ...{ layer_norm_eps: normEpsilon, use_parallel_residual: architecture.block !== 'sequential' },
        rotary_emb_base: ropeBase,
        rotary_pct: ((architecture.rotaryDimensions ?? width / heads) * heads) / width,
      };
  }
}

function bamConfig(architecture: Architecture): Json {
  const { mixture, block, norm, ffn, biases, rotaryDimensions, logitScale } = architecture;
  return {
    architectures: ['BamForCausalLM'],
    model_type: 'bam',
    auto_map: { AutoConfig: 'configuration_bam.BamConfig', AutoModelForCausalLM: 'modeling_bam.BamForCausalLM' },
    layers: architecture.layers,
    width: architecture.width,
    heads: architecture.heads,
    kv_heads: architecture.kvHeads,
    ffn_hidden: architecture.ffnHidden,
    context: architecture.context,
    rope_base: architecture.ropeBase,
    rotary_dimensions: rotaryDimensions ?? null,
    norm_epsilon: architecture.normEpsilon,
    block: block ?? null,
    norm: norm ?? 'layer',
    ffn: ffn ?? 'swiglu',
    biases: biases ?? false,
    logit_scale: logitScale ?? 1,
    experts: mixture?.experts ?? 0,
    ffn_top_k: mixture?.ffnTopK ?? 1,
    gate: mixture?.gate ?? 'softmax-topk',
    attention: mixture?.attention ?? 'averaged',
  };
}
