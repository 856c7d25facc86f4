import { adapterSpecs } from './adapters';
import {
  type Architecture,
  attentionExperts,
  hasFfnRouter,
  headSize,
  keyValueExperts,
  removedExperts,
} from './architecture';
import { ffnChoices, zeroComputationSpecs } from './zero-computation';

/**
 * The role of a parameter, which decides how it starts, decays and is upcycled. `balance` has no gradient: the load moves it. Adapters start at
 * zero where that makes the model what it was (`adapter`), else at random. `gating-residual` starts at zero, what makes a `constant` expert
 * at random.
 */
export type ParameterRole =
  | 'embedding'
  | 'norm'
  | 'matrix'
  | 'bias'
  | 'router'
  | 'balance'
  | 'adapter'
  | 'adapter-random'
  | 'gating-residual'
  | 'constant';

/** A part of a model that can be left as it is while the others train. */
export type ModelPart = 'experts' | 'attention' | 'embeddings' | 'norms' | 'routers';

export interface ParameterSpec {
  name: string;
  /** Matrices are (outputs, inputs), as in a PyTorch Linear. */
  shape: number[];
  role: ParameterRole;
  /** The block that it belongs to, if any. */
  layer?: number;
  /** For a tensor that belongs to one FFN or attention expert, which one. */
  expert?: number;
}

/**
 * The part of a model that a parameter belongs to, as `train.freeze` names it: FFN experts, attention of all kinds, embeddings with the
 * output head, norms, routers. `undefined` for what cannot be frozen: the FFN of a dense model, and adapters.
 */
export function partOf({ name, role, expert }: ParameterSpec): ModelPart | undefined {
  if (role === 'adapter' || role === 'adapter-random') return undefined;
  if (role === 'bias' && /(^|\.)norm\.bias$/.test(name)) return 'norms';
  if (role !== 'matrix' && role !== 'bias') return PARTS[role];
  if (name.includes('.attention.')) return 'attention';
  return expert === undefined ? undefined : 'experts';
}

/** Whether a parameter belongs to one of the FFN experts. */
export function isOfFfnExpert({ name, expert }: Pick<ParameterSpec, 'name' | 'expert'>): boolean {
  return expert !== undefined && name.includes('.ffn.');
}

/** Whether a parameter belongs to a projection of attention; adapters of one do not. */
export function isOfAttention({ name, role }: Pick<ParameterSpec, 'name' | 'role'>): boolean {
  return /\.attention\./.test(name) && (role === 'matrix' || (role === 'bias' && !name.endsWith('norm.bias')));
}

/** The parts of what belongs to one by its role. */
const PARTS = {
  embedding: 'embeddings',
  norm: 'norms',
  router: 'routers',
  balance: 'routers',
  'gating-residual': 'routers',
  constant: 'experts',
} as const;

/** The projections of an FFN, SwiGLU: down(silu(gate(u)) * up(u)). With GELU there is no gate: down(gelu(up(u))). */
export const FFN_PROJECTIONS = ['gate', 'up', 'down'] as const;
/** The projections of an attention. */
const ATTENTION_PROJECTIONS = ['query', 'key', 'value', 'output'] as const;
export type FfnProjection = (typeof FFN_PROJECTIONS)[number];
export type AttentionProjection = (typeof ATTENTION_PROJECTIONS)[number];

/** The projections of a model's FFNs. */
export function ffnProjections({ ffn }: Architecture): readonly FfnProjection[] {
  return ffn === 'gelu' ? ['up', 'down'] : FFN_PROJECTIONS;
}

/** Name of an FFN tensor; `expert` is absent in a dense model. */
export function ffnName(layer: number, projection: FfnProjection, expert?: number): string {
  return `layers.${layer}.ffn.${expert === undefined ? '' : `experts.${expert}.`}${projection}.weight`;
}

/** Name of an attention tensor; `expert` is absent where all experts share the projection. */
export function attentionName(layer: number, projection: AttentionProjection, expert?: number): string {
  return `layers.${layer}.attention.${expert === undefined ? '' : `experts.${expert}.`}${projection}.weight`;
}

/** Name of a router: scores (experts, width) for FFN experts or attention experts. */
export function routerName(layer: number, router: 'ffn' | 'attention'): string {
  return `layers.${layer}.${router}.router.weight`;
}

/** Name of what an FFN router adds to probabilities when it chooses, (experts). */
export function balanceBiasName(layer: number): string {
  return `layers.${layer}.ffn.router.bias`;
}

export const EMBEDDING = 'embedding.weight';
export const FINAL_NORM = 'norm.weight';
export const OUTPUT_HEAD = 'head.weight';

/** Name of the block's only norm, which attention, FFN and routers all read (parallel block), or of the norm before one of the two. */
export function normName(layer: number, before?: 'attention' | 'ffn'): string {
  return `layers.${layer}.${before ? `${before}.` : ''}norm.weight`;
}

/** Name of the bias that belongs to a weight. */
export function biasName(weight: string): string {
  return weight.replace(/weight$/, 'bias');
}

/** Every parameter of a model, in the order of the forward pass. Allocates nothing but this list. */
export function parameterSpecs(architecture: Architecture): ParameterSpec[] {
  const { vocabulary, width } = architecture;
  const specs: ParameterSpec[] = [{ name: EMBEDDING, shape: [vocabulary, width], role: 'embedding' }];
  for (let layer = 0; layer < architecture.layers; layer++) {
    const norms = architecture.block ? [normName(layer, 'attention'), normName(layer, 'ffn')] : [normName(layer)];
    const block = [
      ...norms.flatMap((name) => normSpecs(architecture, name)),
      ...attentionSpecs(architecture, layer),
      ...ffnSpecs(architecture, layer),
      ...adapterSpecs(architecture, layer),
    ];
    specs.push(...block.map((spec) => ({ ...spec, layer })));
  }
  specs.push(...normSpecs(architecture, FINAL_NORM));
  if (!architecture.tiedEmbeddings) specs.push({ name: OUTPUT_HEAD, shape: [vocabulary, width], role: 'embedding' });
  return specs;
}

function normSpecs({ width, biases }: Architecture, name: string): ParameterSpec[] {
  const scale: ParameterSpec = { name, shape: [width], role: 'norm' };
  return biases ? [scale, { name: biasName(name), shape: [width], role: 'bias' }] : [scale];
}

function attentionSpecs(architecture: Architecture, layer: number): ParameterSpec[] {
  const { width, heads, kvHeads } = architecture;
  const experts = attentionExperts(architecture);
  const queryRows = heads * headSize(architecture);
  const keyRows = kvHeads * headSize(architecture);
  const shapes = {
    query: [queryRows, width],
    key: [keyRows, width],
    value: [keyRows, width],
    output: [width, queryRows],
  };
  const specs: ParameterSpec[] = [];
  if (experts > 1) specs.push({ name: routerName(layer, 'attention'), shape: [experts, width], role: 'router' });
  for (const projection of ATTENTION_PROJECTIONS) {
    const isKeyValue = projection === 'key' || projection === 'value';
    const copies = isKeyValue ? keyValueExperts(architecture) : experts;
    const name = (expert?: number): string => attentionName(layer, projection, expert);
    specs.push(...perExpert(architecture, copies, name, shapes[projection]));
  }
  return specs;
}

function ffnSpecs(architecture: Architecture, layer: number): ParameterSpec[] {
  const { width, ffnHidden } = architecture;
  const { mixture } = architecture;
  const experts = mixture?.experts ?? 1;
  const removed = mixture ? removedExperts(mixture, layer) : [];
  const shapes = { gate: [ffnHidden, width], up: [ffnHidden, width], down: [width, ffnHidden] };
  const specs: ParameterSpec[] = [];
  if (mixture && hasFfnRouter(mixture))
    specs.push({ name: routerName(layer, 'ffn'), shape: [ffnChoices(mixture), width], role: 'router' });
  if (mixture?.router?.balanceBias) {
    specs.push({ name: balanceBiasName(layer), shape: [experts], role: 'balance' });
  }
  for (const projection of ffnProjections(architecture)) {
    const name = (expert?: number): string => ffnName(layer, projection, expert);
    const all = perExpert(architecture, experts, name, shapes[projection]);
    specs.push(...(removed.length ? all.filter(({ expert }) => !removed.includes(expert!)) : all));
  }
  return [...specs, ...zeroComputationSpecs(architecture, layer)];
}

function perExpert(
  { biases }: Architecture,
  count: number,
  name: (expert?: number) => string,
  shape: number[],
): ParameterSpec[] {
  const experts = count === 1 ? [undefined] : Array.from({ length: count }, (_, expert) => expert);
  return experts.flatMap((expert) => {
    const owner = expert === undefined ? {} : { expert };
    const weight: ParameterSpec = { name: name(expert), shape, role: 'matrix', ...owner };
    return biases ? [weight, { name: biasName(weight.name), shape: [shape[0]!], role: 'bias', ...owner }] : [weight];
  });
}

/** Numbers in a tensor of this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
