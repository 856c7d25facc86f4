import * as tf from '@tensorflow/tfjs';
import { ownGradient } from './own-gradient';

const MASKED = -1e9;

/** 0 where a query may look, a large negative number at later positions. (T, S): `past` positions stand before the T, S = past + T. */
export function causalMask(context: number, past = 0): tf.Tensor2D {
  const all = past + context;
  const mask = new Float32Array(context * all);
  for (let query = 0; query < context; query++) mask.fill(MASKED, query * all + past + query + 1, (query + 1) * all);
  return tf.tensor2d(mask, [context, all]);
}

/** Contexts from which on so many blocks are used. More blocks cost more copies than they spare scores (docs/performance.md). */
const TWO_BLOCKS_FROM = 128;
const FOUR_BLOCKS_FROM = 512;

/**
 * Where blocks of queries end. A block looks at keys up to its own end only, which spares (1 - 1/blocks)/2 of all scores.
 * A context that does not divide leaves a shorter last block.
 */
function blockEnds(context: number): number[] {
  const blocks = context < TWO_BLOCKS_FROM ? 1 : context < FOUR_BLOCKS_FROM ? 2 : 4;
  const length = Math.ceil(context / blocks);
  return Array.from({ length: blocks }, (_, block) => Math.min((block + 1) * length, context));
}

/**
 * Causal scaled dot-product attention with grouped queries.
 * `query` (B, K, G, T, D): G query heads for each of K key heads, divided by the root of D before. `key`, `value` (B, K, S, D):
 * the queries are those of the last T of S positions. `mask` (T, S). Returns (B, K, G, T, D).
 */
export function causalAttention(
  query: tf.Tensor5D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  mask: tf.Tensor2D,
): tf.Tensor5D {
  const ends = blockEnds(query.shape[3]);
  return ownGradient(
    [query, key, value],
    () => {
      const blocks = ends.map((end, i) => attendBlock(query, key, value, mask, ends[i - 1] ?? 0, end));
      const output = joinPositions<tf.Tensor5D>(blocks.map((block) => block.output));
      return { value: output, saved: [key, value, output, ...blocks.flatMap(({ q, weights }) => [q, weights])] };
    },
    (dy, saved) => attentionGradient(dy, saved, ends),
  );
}

/** Attention of the queries from `start` to `end`. All query heads of a key head stand in one matrix, so that one product serves the group. */
function attendBlock(
  query: tf.Tensor5D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  mask: tf.Tensor2D,
  start: number,
  end: number,
): { q: tf.Tensor; weights: tf.Tensor; output: tf.Tensor } {
  const [batch, keyHeads, group, context, headSize] = query.shape;
  const keys = end + key.shape[2] - context;
  const rows = group * (end - start);
  const q = tf.reshape(positions(query, start, end), [batch, keyHeads, rows, headSize]);
  const scores = tf.matMul(q, positions(key, 0, keys), false, true); // (B, K, G*t, keys)
  const grouped = tf.reshape(scores, [batch, keyHeads, group, end - start, keys]);
  // A single query is the last: it may look at all keys.
  const masked = context === 1 ? grouped : tf.add(grouped, tf.slice(mask, [start, 0], [end - start, keys]));
  const weights = tf.reshape(tf.softmax(masked), scores.shape);
  const output = tf.matMul(weights, positions(value, 0, keys)); // (B, K, G*t, D)
  return { q, weights, output: tf.reshape(output, [batch, keyHeads, group, end - start, headSize]) };
}

/**
 * The gradient of softmax needs sum_j(weights_j * dWeights_j) for each query. That equals sum_d(output_d * dOutput_d), which is over D
 * instead of T numbers (FlashAttention, arXiv 2205.14135, appendix B.2).
 */
function attentionGradient(dy: tf.Tensor, saved: tf.Tensor[], ends: readonly number[]): tf.Tensor[] {
  const [key, value, output, ...blocks] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, ...tf.Tensor[]];
  const products = tf.sum(tf.mul(output, dy), -1, true); // (B, K, G, T, 1)
  const context = key.shape[2]!;
  const past = context - dy.shape[3]!;
  const parts = ends.map((end, i) => {
    const start = ends[i - 1] ?? 0;
    const keys = past + end;
    const [q, weights] = blocks.slice(2 * i) as [tf.Tensor, tf.Tensor];
    const rows = (x: tf.Tensor): tf.Tensor =>
      tf.reshape(positions(x, start, end), [...q.shape.slice(0, 3), x.shape.at(-1)!]);
    const d = rows(dy);
    const dWeights = tf.matMul(d, positions(value, 0, keys), false, true);
    const dScores = tf.mul(tf.sub(dWeights, rows(products)), weights);
    const dQuery = tf.matMul(dScores, positions(key, 0, keys)); // (B, K, G*t, D)
    return {
      query: tf.reshape(dQuery, positionsShape(dy, end - start)),
      key: toContext(tf.matMul(dScores, q, true, false), context),
      value: toContext(tf.matMul(weights, d, true, false), context),
    };
  });
  return [
    joinPositions(parts.map(({ query }) => query)),
    tf.addN(parts.map((part) => part.key)),
    tf.addN(parts.map((part) => part.value)),
  ];
}

/** The positions from `start` to `end` of (..., T, D). */
function positions<T extends tf.Tensor>(x: T, start: number, end: number): T {
  if (start === 0 && end === x.shape.at(-2)) return x;
  return tf.slice(x, [...x.shape.slice(0, -2).fill(0), start, 0], positionsShape(x, end - start)) as T;
}

function positionsShape(x: tf.Tensor, count: number): number[] {
  return [...x.shape.slice(0, -2), count, x.shape.at(-1)!];
}

function joinPositions<T extends tf.Tensor>(parts: readonly tf.Tensor[]): T {
  return (parts.length === 1 ? parts[0] : tf.concat([...parts], parts[0]!.rank - 2)) as T;
}

/** (..., t, D) -> (..., T, D): later positions are zero. */
function toContext(x: tf.Tensor, context: number): tf.Tensor {
  const missing = context - x.shape.at(-2)!;
  return missing
    ? tf.pad(
        x,
        x.shape.map((_, axis) => [0, axis === x.rank - 2 ? missing : 0]),
      )
    : x;
}
