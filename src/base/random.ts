import { createHash } from 'node:crypto';

/**
 * A 32-bit seed for one purpose, derived from the experiment's seed: the same words give the same seed, other words
 * an unrelated one. So adding a parameter or a domain never shifts the random numbers of another.
 */
export function deriveSeed(seed: number, ...purpose: (string | number)[]): number {
  return createHash('sha256')
    .update(JSON.stringify([seed, ...purpose]))
    .digest()
    .readUInt32LE(0);
}

/** A seeded source of uniform numbers in [0, 1): the "mulberry32" generator, fast and good enough for initial weights and shuffles. */
export function uniformGenerator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** `count` numbers from Normal(0, standardDeviation), by the Box-Muller transform. */
export function normalValues(seed: number, count: number, standardDeviation: number): Float32Array {
  const uniform = uniformGenerator(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = standardDeviation * Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
