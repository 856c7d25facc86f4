const ROUNDS = 4;

/**
 * A pseudo-random order of the numbers 0 to `size` - 1, as a function from place to number that needs no memory: a Feistel
 * network over the next power of four, walked on until the number is in range ("cycle walking", Black and Rogaway,
 * "Ciphers with Arbitrary Finite Domains", 2002). `uniform` gives the keys. `size` is at most 2^50.
 */
export function permutation(size: number, uniform: () => number): (place: number) => number {
  const halfBits = Math.max(1, Math.ceil(Math.log2(size) / 2));
  const half = 2 ** halfBits;
  const keys = Array.from({ length: ROUNDS }, () => Math.floor(uniform() * 2 ** 32));
  return (place) => {
    let number = place;
    do number = encrypt(number, half, keys);
    while (number >= size);
    return number;
  };
}

function encrypt(number: number, half: number, keys: number[]): number {
  let left = Math.floor(number / half);
  let right = number % half;
  for (const key of keys) [left, right] = [right, (left ^ mix(right, key)) & (half - 1)];
  return left * half + right;
}

/** A 32-bit hash of two numbers (the finalizer of MurmurHash3). */
function mix(value: number, key: number): number {
  let mixed = Math.imul(value ^ key, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
