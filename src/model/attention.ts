import * as tf from '@tensorflow/tfjs';
import { linear } from '../engine/ops/linear';
import { type Architecture, attentionExperts, headSize, keyValueExperts } from '../architecture/architecture';
import { attentionName, type AttentionProjection, biasName, routerName } from '../architecture/parameters';
import { causalAttention, causalMask } from '../engine/ops/causal-attention';
import { rotaryRows, type RotaryTable, rotaryTable, rotate } from '../engine/ops/rotary';
import { type BlockAdapters, blockAdapters } from './adapters';
import { matrix, vector } from './lookup';
import type { ModelParameters } from './parameters';
import { keepTop, type RouterOutput, routerScores } from './routing';

/** Tensors that every attention call reads and that depend on the context only. */
export interface AttentionTables {
  mask: tf.Tensor2D;
  rotary: RotaryTable;
}

/** Makes the tables for one sequence length. The caller disposes of them, or makes them inside a `tf.tidy`. */
export function attentionTables(architecture: Architecture, context: number): AttentionTables {
  const { ropeBase, rotaryDimensions } = architecture;
  return {
    mask: causalMask(context),
    rotary: rotaryTable(context, headSize(architecture), ropeBase, rotaryDimensions),
  };
}

/** Frees what `attentionTables` made. */
export function disposeTables({ mask, rotary }: AttentionTables): void {
  tf.dispose([mask, rotary.cosine, rotary.sine]);
}

/** The projections of a block's attention, those of all experts side by side: rows of query, key and value, columns of output. */
export interface AttentionWeights {
  /** (N*E, E), and (keys, E) twice; rows of query and key as `rotaryRows` has them, but for adapters. */
  query: tf.Tensor2D;
  key: tf.Tensor2D;
  value: tf.Tensor2D;
  /** (E, N*E) */
  output: tf.Tensor2D;
  /** In the order of the rows; those of output (E), or (N, E) where there are experts. */
  biases?: { query: tf.Tensor1D; key: tf.Tensor1D; value: tf.Tensor1D; output: tf.Tensor1D | tf.Tensor2D };
}

/** What a block's attention keeps between passes over the positions of one sequence, without gradients. */
export interface AttentionCache {
  weights: AttentionWeights;
  /** Takes keys and values of the new positions, (1, K, T, D) each, and gives those of all positions so far. */
  extend(key: tf.Tensor4D, value: tf.Tensor4D): { key: tf.Tensor4D; value: tf.Tensor4D };
}

/** What a block's attention gives: its output (tokens, E), its router's decision where there are attention experts, and those of its adapters. */
export interface AttentionOutput {
  output: tf.Tensor2D;
  /** What the experts' outputs are multiplied with, (tokens, N). */
  gates?: tf.Tensor2D;
  router?: RouterOutput;
  adapters: RouterOutput[];
}

/**
 * The attention of one block. `u` is the normed input, (B*T, E). With a `cache` it is that of later positions of one sequence, whose
 * mask and angles `tables` then has.
 *
 * Attention experts (BAM, arXiv 2408.08274, section 3.2) run as one call: the heads of all N experts stand side by side, each
 * expert's part of the result is multiplied by its gate, and one product with all output projections sums them. That equals
 * sum_j g_j MHA_j(u), because the gate of a token is a scalar that passes through the output projection. With `attentionTopK`
 * the gates of the other experts are 0: their outputs are computed all the same, since later tokens need all keys and values.
 */
export function attention(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
  tables: AttentionTables,
  cache?: AttentionCache,
): AttentionOutput {
  const experts = attentionExperts(architecture);
  const adapters = blockAdapters(architecture, parameters, layer);
  const weights = cache?.weights ?? attentionWeights(architecture, parameters, layer);
  const { query, ...own } = projectHeads(architecture, weights, u, tables, adapters);
  const { key, value } = cache ? cache.extend(own.key, own.value) : own;
  const heads = joinHeads(causalAttention(query, key, value, tables.mask), architecture); // (B*T, N*E)
  const { output, biases } = weights;
  if (experts === 1) {
    const projected = adapters.apply('output', heads, linear(heads, output));
    return { output: biases ? tf.add(projected, biases.output) : projected, adapters: adapters.routers };
  }

  const { logits, probabilities } = routerScores(u, matrix(parameters, routerName(layer, 'attention')));
  const { attentionTopK, gate } = architecture.mixture!;
  const { gates, ...chosen } = attentionTopK ? keepTop(probabilities, attentionTopK, gate) : { gates: probabilities };
  const tokens = u.shape[0];
  const perExpert = tf.reshape(heads, [tokens, experts, architecture.width]);
  const gated: tf.Tensor2D = tf.reshape(tf.mul(perExpert, tf.expandDims(gates, 2)), heads.shape);
  const router: RouterOutput = { layer, router: 'attention', logits, probabilities, ...chosen };
  const sum = adapters.apply('output', gated, linear(gated, output));
  return {
    output: biases ? tf.add(sum, tf.matMul(gates, biases.output as tf.Tensor2D)) : sum,
    gates,
    router,
    adapters: adapters.routers,
  };
}

/** The projections of a block's attention, from the parameters of its experts. */
export function attentionWeights(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
): AttentionWeights {
  const experts = attentionExperts(architecture);
  const keyExperts = keyValueExperts(architecture);
  const size = headSize(architecture);
  // Adapters know a head in the layout of the checkpoint, so that what they gave is arranged instead of the weights.
  const arranged = <T extends tf.Tensor>(rows: T): T => (architecture.adapters ? rows : rotaryRows(rows, size));
  const weights = {
    query: arranged(stacked(parameters, layer, 'query', experts)),
    key: arranged(stacked(parameters, layer, 'key', keyExperts)),
    value: stacked(parameters, layer, 'value', keyExperts),
    output: stacked(parameters, layer, 'output', experts),
  };
  if (!architecture.biases) return weights;
  const outputs = biasesOf(parameters, layer, 'output', experts);
  const biases = {
    query: arranged(joined(biasesOf(parameters, layer, 'query', experts))),
    key: arranged(joined(biasesOf(parameters, layer, 'key', keyExperts))),
    value: joined(biasesOf(parameters, layer, 'value', keyExperts)),
    output: experts === 1 ? outputs[0]! : (tf.stack(outputs) as tf.Tensor2D),
  };
  return { ...weights, biases };
}

/** One projection of all experts: rows side by side for query, key and value; columns side by side for output. */
function stacked(
  parameters: ModelParameters,
  layer: number,
  projection: AttentionProjection,
  experts: number,
): tf.Tensor2D {
  if (experts === 1) return matrix(parameters, attentionName(layer, projection));
  const parts = Array.from({ length: experts }, (_, i) => matrix(parameters, attentionName(layer, projection, i)));
  return tf.concat(parts, projection === 'output' ? 1 : 0);
}

/** Vectors one after the other. tfjs has no gradient for a concatenation of one. */
function joined(vectors: tf.Tensor1D[]): tf.Tensor1D {
  return vectors.length === 1 ? vectors[0]! : tf.concat(vectors);
}

/** The biases of one projection, one for each expert. */
function biasesOf(
  parameters: ModelParameters,
  layer: number,
  projection: AttentionProjection,
  experts: number,
): tf.Tensor1D[] {
  const name = (expert?: number): string => biasName(attentionName(layer, projection, expert));
  if (experts === 1) return [vector(parameters, name())];
  return Array.from({ length: experts }, (_, expert) => vector(parameters, name(expert)));
}

interface Heads {
  /** (B, K, G, T, D): G query heads for each of K key heads, divided by the root of D. */
  query: tf.Tensor5D;
  key: tf.Tensor4D;
  value: tf.Tensor4D;
}

/** Projects, arranges and rotates the heads of all experts. */
function projectHeads(
  architecture: Architecture,
  weights: AttentionWeights,
  u: tf.Tensor2D,
  { rotary }: AttentionTables,
  adapters: BlockAdapters,
): Heads {
  const { heads, kvHeads } = architecture;
  const size = headSize(architecture);
  const keyHeads = keyValueExperts(architecture) * kvHeads;
  const context = rotary.cosine.shape[0];
  const batch = u.shape[0] / context;
  const project = (projection: 'query' | 'key' | 'value', count: number): tf.Tensor4D => {
    const product = linear(u, weights[projection]);
    const bias = weights.biases?.[projection];
    const adapted = adapters.apply(projection, u, bias ? tf.add(product, bias) : product);
    const isLate = architecture.adapters && projection !== 'value';
    const rows = isLate ? tf.transpose(rotaryRows(tf.transpose(adapted), size)) : adapted;
    return tf.reshape(rows, [batch, context, count, size]);
  };
  const query = groupQueries(project('query', attentionExperts(architecture) * heads), architecture);
  const [key, value] = (['key', 'value'] as const).map((projection): tf.Tensor4D =>
    tf.transpose(project(projection, keyHeads), [0, 2, 1, 3]),
  ) as [tf.Tensor4D, tf.Tensor4D];
  // The scale of the scores goes into the queries.
  return { query: rotate(query, rotary, 1 / Math.sqrt(size)), key: rotate(key, rotary), value };
}

/**
 * (B, T, N*heads, D) -> (B, K, G, T, D). With KV experts every expert has its own key heads (K = N*kvHeads); else the heads of
 * all experts that use the same key head form one group (K = kvHeads, G = N*heads/kvHeads).
 */
function groupQueries(query: tf.Tensor4D, architecture: Architecture): tf.Tensor5D {
  const [batch, context, , size] = query.shape;
  const { sharing, keyHeads, group } = headLayout(architecture);
  const split = tf.reshape(query, [batch, context, sharing, keyHeads, group, size]);
  return tf.reshape(tf.transpose(split, [0, 3, 2, 4, 1, 5]), [batch, keyHeads, sharing * group, context, size]);
}

/** The reverse of `groupQueries`: (B, K, G, T, D) -> (B*T, N*E). */
function joinHeads(heads: tf.Tensor5D, architecture: Architecture): tf.Tensor2D {
  const [batch, , , context, size] = heads.shape;
  const { sharing, keyHeads, group } = headLayout(architecture);
  const split = tf.reshape(heads, [batch, keyHeads, sharing, group, context, size]);
  const ordered = tf.transpose(split, [0, 4, 2, 1, 3, 5]);
  return tf.reshape(ordered, [batch * context, sharing * keyHeads * group * size]);
}

/** Key heads of the call, how many experts share each, and query heads that one expert has for each. */
function headLayout(architecture: Architecture): { keyHeads: number; sharing: number; group: number } {
  const keyExperts = keyValueExperts(architecture);
  return {
    keyHeads: keyExperts * architecture.kvHeads,
    sharing: attentionExperts(architecture) / keyExperts,
    group: architecture.heads / architecture.kvHeads,
  };
}
