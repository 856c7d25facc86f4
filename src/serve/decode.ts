import * as tf from '@tensorflow/tfjs';
import { EMBEDDING } from '../architecture/parameters';
import { linear } from '../engine/ops/linear';
import { causalMask } from '../engine/ops/causal-attention';
import { embed } from '../engine/ops/rows';
import type { AttentionTables } from '../model/attention';
import { ffn } from '../model/ffn';
import { matrix } from '../model/lookup';
import { attend, readout } from '../model/transformer';
import { type RoutedFfn, routedFfn } from './decode-ffn';
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
  const routed: ExpertGate[][][] = [];
  const gates: (tf.Tensor2D | undefined)[] = [];
  let scores: tf.Tensor2D | undefined;
  let x = tf.tidy(() => embed(matrix(parameters, EMBEDDING), tf.tensor1d([...ids], 'int32'))); // (T, E)
  for (let layer = 0; layer < architecture.layers; layer++) {
    const block = tf.tidy(() => {
      const attention = cache.layer(layer, model.attention[layer]!);
      const { attended, read, terms } = attend(architecture, parameters, layer, x, tables, attention);
      return { gates: attended.gates, read: read.ffn, terms };
    });
    const given = { layer, ids, position, before: scores, changes };
    const transformed = await ffnOf(model, block.read, given);
    const before = [x, block.read, ...block.terms, scores];
    x = tf.tidy(() => tf.addN([...block.terms, transformed.output]));
    scores = transformed.scores;
    tf.dispose([...before.filter((tensor) => tensor && tensor !== x), transformed.output] as tf.Tensor[]);
    gates.push(block.gates);
    routed.push(transformed.chosen);
  }
  cache.advance(ids.length);
  const logits = tf.tidy(() => {
    const { last, head } = readout(architecture, parameters, x);
    return linear(last, head);
  });
  const found = { logits: await logits.data<'float32'>(), ffn: routed, attention: await readGates(gates, ids.length) };
  tf.dispose([
    x,
    logits,
    scores ?? [],
    tables.mask,
    tables.rotary.cosine,
    tables.rotary.sine,
    ...gates.flatMap((g) => g ?? []),
  ]);
  return found;
}

/** Mask and angles of `count` positions behind `past` others. */
function passTables({ rotary }: DecodingModel, past: number, count: number): AttentionTables {
  const rows = (table: tf.Tensor2D): tf.Tensor2D => tf.slice2d(table, [past, 0], [count, table.shape[1]]);
  return { mask: causalMask(count, past), rotary: { cosine: rows(rotary.cosine), sine: rows(rotary.sine) } };
}

/** The FFN of one block. A dense model's needs nothing of the host. */
function ffnOf(
  model: DecodingModel,
  u: tf.Tensor2D,
  given: Parameters<typeof routedFfn>[2],
): Promise<RoutedFfn> | RoutedFfn {
  const { architecture, parameters } = model;
  if (architecture.mixture) return routedFfn(model, u, given);
  const output = tf.tidy(() => ffn(architecture, parameters, given.layer, u).output);
  return { output, scores: undefined, chosen: given.ids.map(() => []) };
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
