import { readFileSync, statSync } from 'node:fs';
import type { Architecture } from '../architecture/architecture';
import { CheckpointError, hasCode } from '../base/errors';
import { describeFound } from '../base/found';
import type { Family } from './tensor-places';

/** Largest config.json or index that is read, in bytes. */
const MAXIMUM_JSON_BYTES = 16 * 1024 * 1024;
/** Largest count in a config.json; one beyond it is a mistake, and is found before anything is made of that size. */
const MAXIMUM_COUNT = 10_000_000;
/** Most blocks. */
const MAXIMUM_LAYERS = 10_000;

type Json = Record<string, unknown>;

/** What a config.json says of a model. */
export interface ModelConfigFile {
  family: Family;
  /** As config.json names it, e.g. `LlamaForCausalLM`. */
  architectureName: string;
  architecture: Architecture;
}

const READERS: Record<string, { family: Family; read: (config: ConfigReader, context: number) => Architecture }> = {
  CohereForCausalLM: { family: 'cohere', read: readCohere },
  GPTNeoXForCausalLM: { family: 'gpt-neox', read: readNeoX },
  LlamaForCausalLM: { family: 'llama', read: readLlama },
};

/** Reads a JSON object of limited size. Throws a `CheckpointError` (`missing`, `damaged`) that names the file. */
export function readJsonObject(path: string): Json {
  const problem = (what: string, reason: string, cause?: unknown): CheckpointError =>
    new CheckpointError(`${path} ${what}.`, {
      reason,
      advice: 'Name a folder as `save_pretrained` of transformers writes it: config.json and *.safetensors.',
      cause,
    });
  const bytes = statSync(path, { throwIfNoEntry: false })?.size;
  if (bytes === undefined) throw problem('should be there but is not', 'missing');
  if (bytes > MAXIMUM_JSON_BYTES) throw problem(`has ${bytes} bytes, the limit is ${MAXIMUM_JSON_BYTES}`, 'damaged');
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch (error) {
    if (hasCode(error, 'EACCES')) throw problem('cannot be read by this user', 'damaged', error);
    throw problem(`should hold JSON but does not (${(error as Error).message})`, 'damaged', error);
  }
  throw problem('should hold a JSON object', 'damaged');
}

/**
 * The model that a config.json describes, for sequences of `context` tokens. Throws a `CheckpointError`: `missing`, `damaged`,
 * `unknown-architecture`, or `unsupported` where a key has a value that we cannot compute, naming file, key and value.
 */
export function readModelConfig(path: string, context: number): ModelConfigFile {
  const config = new ConfigReader(path, readJsonObject(path));
  const names = config.values.architectures;
  const architectureName = Array.isArray(names) ? String(names[0]) : 'nothing';
  if (!Object.hasOwn(READERS, architectureName)) {
    throw new CheckpointError(
      `${path}: architectures should be one of ${Object.keys(READERS).join(', ')}, found ${architectureName}.`,
      { reason: 'unknown-architecture', advice: 'docs/interop.md lists the models that can be imported.' },
    );
  }
  config.mustBe('quantization_config', undefined);
  const { family, read } = READERS[architectureName]!;
  return { family, architectureName, architecture: read(config, context) };
}

/** Reads keys of a config.json; every complaint names the file, the key, what was expected and what came. */
class ConfigReader {
  constructor(
    private readonly path: string,
    readonly values: Json,
  ) {}

  unsupported(key: string, expected: string): CheckpointError {
    const found = describeFound(this.values[key], 200);
    return new CheckpointError(`${this.path}: ${key} should be ${expected}, found ${found}.`, {
      reason: 'unsupported',
      advice: 'docs/interop.md says which models can be imported.',
    });
  }

  /** Null counts as absent, as transformers reads it. */
  private value(key: string, preset: unknown): unknown {
    return this.values[key] ?? preset;
  }

  count(key: string, preset?: number, limit = MAXIMUM_COUNT): number {
    const value = this.value(key, preset);
    if (Number.isInteger(value) && (value as number) > 0 && (value as number) <= limit) return value as number;
    throw this.unsupported(key, `a whole number from 1 to ${limit}`);
  }

  positive(key: string, preset?: number): number {
    const value = this.value(key, preset);
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw this.unsupported(key, 'a positive number');
  }

  flag(key: string, preset: boolean): boolean {
    const value = this.value(key, preset);
    if (typeof value === 'boolean') return value;
    throw this.unsupported(key, 'true or false');
  }

  /** Where the key is absent it has the value `preset`. */
  mustBe(key: string, wanted: unknown, preset = wanted): void {
    if (this.value(key, preset) !== wanted) {
      throw this.unsupported(key, wanted === undefined ? 'absent' : JSON.stringify(wanted));
    }
  }

  /** Settings of rotary positions: in `rope_parameters` since version 5 of transformers, beside the others before. */
  rope(): ConfigReader {
    for (const key of ['rope_parameters', 'rope_scaling']) {
      const group = this.value(key, undefined);
      if (group === undefined) continue;
      if (typeof group !== 'object') throw this.unsupported(key, 'a group of keys');
      const { rope_type: type = (group as Json).type ?? 'default' } = group as Json;
      if (type !== 'default') throw this.unsupported(key, 'rotary positions without scaling (rope_type default)');
    }
    return new ConfigReader(this.path, { ...this.values, ...(this.values.rope_parameters as Json | undefined) });
  }
}

/** What all families have in common: sizes that must fit each other. */
function readShape(config: ConfigReader, context: number, maximum: number) {
  const width = config.count('hidden_size');
  const heads = config.count('num_attention_heads');
  if (width % heads || (width / heads) % 2)
    throw config.unsupported('num_attention_heads', `a divisor of ${width / 2}`);
  config.mustBe('head_dim', width / heads);
  if (context > config.count('max_position_embeddings', maximum)) {
    throw config.unsupported('max_position_embeddings', `at least ${context}, the context of the experiment,`);
  }
  return {
    layers: config.count('num_hidden_layers', undefined, MAXIMUM_LAYERS),
    width,
    heads,
    ffnHidden: config.count('intermediate_size'),
    context,
    vocabulary: config.count('vocab_size'),
  };
}

function readKeyHeads(config: ConfigReader, heads: number): number {
  const kvHeads = config.count('num_key_value_heads', heads);
  if (heads % kvHeads) throw config.unsupported('num_key_value_heads', `a divisor of the ${heads} heads`);
  return kvHeads;
}

function readCohere(config: ConfigReader, context: number): Architecture {
  const shape = readShape(config, context, 8192);
  config.mustBe('hidden_act', 'silu');
  config.mustBe('attention_bias', false);
  config.mustBe('use_qk_norm', false);
  const logitScale = config.positive('logit_scale', 0.0625);
  return {
    ...shape,
    kvHeads: readKeyHeads(config, shape.heads),
    tiedEmbeddings: config.flag('tie_word_embeddings', true),
    // Versions of transformers differ in what an absent base means.
    ropeBase: config.rope().positive('rope_theta'),
    normEpsilon: config.positive('layer_norm_eps', 1e-5),
    ...(logitScale !== 1 && { logitScale }),
  };
}

function readLlama(config: ConfigReader, context: number): Architecture {
  const shape = readShape(config, context, 2048);
  config.mustBe('hidden_act', 'silu');
  config.mustBe('attention_bias', false);
  config.mustBe('mlp_bias', false);
  return {
    ...shape,
    kvHeads: readKeyHeads(config, shape.heads),
    tiedEmbeddings: config.flag('tie_word_embeddings', false),
    ropeBase: config.rope().positive('rope_theta', 10000),
    normEpsilon: config.positive('rms_norm_eps', 1e-6),
    block: 'sequential',
    norm: 'rms',
  };
}

function readNeoX(config: ConfigReader, context: number): Architecture {
  const shape = readShape(config, context, 2048);
  config.mustBe('hidden_act', 'gelu');
  config.mustBe('attention_bias', true);
  const rope = config.rope();
  const size = shape.width / shape.heads;
  const key = 'partial_rotary_factor' in rope.values ? 'partial_rotary_factor' : 'rotary_pct';
  const rotaryDimensions = Math.floor(size * rope.positive(key, 0.25));
  if (rotaryDimensions < 2 || rotaryDimensions > size || rotaryDimensions % 2) {
    throw rope.unsupported(key, `a share of ${size} dimensions that gives an even number from 2`);
  }
  return {
    ...shape,
    kvHeads: shape.heads,
    tiedEmbeddings: config.flag('tie_word_embeddings', false),
    ropeBase: rope.positive('rope_theta' in rope.values ? 'rope_theta' : 'rotary_emb_base', 10000),
    normEpsilon: config.positive('layer_norm_eps', 1e-5),
    block: config.flag('use_parallel_residual', true) ? 'parallel-two-norms' : 'sequential',
    ffn: 'gelu',
    biases: true,
    ...(rotaryDimensions !== size && { rotaryDimensions }),
  };
}
