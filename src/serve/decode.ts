import * as tf from '@tensorflow/tfjs';
import { EMBEDDING } from '../architecture/parameters';
import { linear } from '../engine/ops/linear';
import { causalMask } from '../engine/ops/causal-attention';
import { embed } from '../engine/ops/rows';
import type { AttentionTables } from '../model/attention';
import { ffn } from '../model/ffn';
import { matrix } from '../model/lookup';
import { attend, readout } from '../model/transformer';
import { type FfnPass, type RoutedFfn, routedFfn } from './decode-ffn';
import type { ExpertGate } from './experts';
import type { KeyValueCache } from './kv-cache';
import type { DecodingModel } from './model';
import type { LayerChange } from './routing-change';

/** What a pass over some tokens of a sequence gives. */
export interface DecodedTokens {
  /** The scores of each position's next token, (tokens x V). */
  logits: Float32Array;
  /** By layer, then token: the columns of the FFN router that it was sent to, the largest gate first. Empty lists in a dense model. */
  ffn: ExpertGate[][][];
  /** By layer, then token: the weights of the attention experts. Empty lists where there is one. */
  attention: number[][][];
}

/**
 * The forward pass over the tokens that follow those of the cache, which gets theirs: of a whole prompt, or of one token. `ids` are each in
 * 0..V-1, and no more than the context has room for (checked by the caller). `changes` are of each layer. The logits are those that
 * `forward` gives for the whole sequence, to rounding.
 */
export async function decode(
  model: DecodingModel,
  cache: KeyValueCache,
  ids: readonly number[],
  changes: readonly LayerChange[],
): Promise<DecodedTokens> {
  const { architecture, parameters } = model;
  const position = cache.positions;
  const tables = passTables(model, position, ids.length);
  const blocks: DecodedBlock[] = [];
  let x = tf.tidy(() => embed(matrix(parameters, EMBEDDING), tf.tensor1d([...ids], 'int32'))); // (T, E)
  for (let layer = 0; layer < architecture.layers; layer++) {
    const pass = { layer, ids, position, before: blocks.at(-1)?.scores, changes };
    const block = await decodeBlock(model, cache, x, tables, pass);
    blocks.push(block);
    x = block.sum;
  }
  cache.advance(ids.length);
  const logits = tf.tidy(() => {
    const { last, head } = readout(architecture, parameters, x);
    return linear(last, head);
  });
  const gates = blocks.map((block) => block.gates);
  const found = {
    logits: await logits.data<'float32'>(),
    ffn: blocks.map(({ chosen }) => chosen),
    attention: await readGates(gates, ids.length),
  };
  const { mask, rotary } = tables;
  tf.dispose([x, logits, blocks.at(-1)!.scores, mask, rotary.cosine, rotary.sine, ...gates]);
  return found;
}

/** What a block makes of the tokens of a pass. */
interface DecodedBlock extends Omit<RoutedFfn, 'output'> {
  /** The residual stream, (T, E). */
  sum: tf.Tensor2D;
  /** Of the attention experts, (T, N). */
  gates: tf.Tensor2D | undefined;
}

/** One block. Frees `x` and the scores of the router before. */
async function decodeBlock(
  model: DecodingModel,
  cache: KeyValueCache,
  x: tf.Tensor2D,
  tables: AttentionTables,
  pass: FfnPass,
): Promise<DecodedBlock> {
  const { architecture, parameters, attention } = model;
  const { layer } = pass;
  const { gates, read, terms } = tf.tidy(() => {
    const block = attend(architecture, parameters, layer, x, tables, cache.layer(layer, attention[layer]!));
    return { gates: block.attended.gates, read: block.read.ffn, terms: block.terms };
  });
  const { output, ...routed } = await ffnOf(model, read, pass);
  const sum = tf.tidy(() => tf.addN([...terms, output]));
  tf.dispose([x, read, ...terms, output, pass.before]);
  return { sum, gates, ...routed };
}

/** Mask and angles of `count` positions behind `past` others. */
function passTables({ rotary }: DecodingModel, past: number, count: number): AttentionTables {
  const rows = (table: tf.Tensor2D): tf.Tensor2D => tf.slice2d(table, [past, 0], [count, table.shape[1]]);
  return { mask: causalMask(count, past), rotary: { cosine: rows(rotary.cosine), sine: rows(rotary.sine) } };
}

/** The FFN of one block. A dense model's needs nothing of the host. */
function ffnOf(model: DecodingModel, u: tf.Tensor2D, pass: FfnPass): Promise<RoutedFfn> | RoutedFfn {
  const { architecture, parameters } = model;
  if (architecture.mixture) return routedFfn(model, u, pass);
  const output = tf.tidy(() => ffn(architecture, parameters, pass.layer, u).output);
  return { output, scores: undefined, chosen: pass.ids.map(() => []) };
}

/** The attention gates of every layer, token by token. */
async function readGates(gates: readonly (tf.Tensor2D | undefined)[], tokens: number): Promise<number[][][]> {
  const found = gates.filter((gate) => gate !== undefined);
  if (!found.length) return gates.map(() => Array.from({ length: tokens }, () => []));
  const all = tf.tidy(() => tf.stack(found)) as tf.Tensor3D; // (layers, T, N)
  const numbers = await all.array();
  all.dispose();
  return numbers;
}
