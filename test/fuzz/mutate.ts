import type { Random } from './target';

/** Pieces that readers stumble over: edges of numbers, names that mean something, nesting, markup, paths. */
const INTERESTING = [
  ...[
    '0',
    '-1',
    '-0',
    '1e308',
    '1e-320',
    '9007199254740993',
    '4294967296',
    '2147483648',
    '0.5',
    '1e999',
    'NaN',
    '.inf',
  ],
  ...[
    'null',
    'true',
    '~',
    '""',
    '[]',
    '{}',
    '__proto__',
    'constructor',
    'toString',
    '*a',
    '&a ',
    '!!binary ',
    '<<: ',
    '? ',
  ],
  ...[
    '<img src=x onerror=1>',
    '[a](command:x)',
    '$(rm)',
    '../../../etc/passwd',
    'C:\\x\\y',
    '/dev/zero',
    '\u202e',
    '\ufeff',
    '\0',
  ],
  ...[
    '\ud83d\ude42',
    'a'.repeat(5000),
    '['.repeat(3000),
    '{"a":'.repeat(3000),
    '- '.repeat(300),
    ' '.repeat(2000),
    '\n',
    '\r\n',
    '\t',
    ': ',
    '"',
    "'",
  ],
].map((text) => Buffer.from(text));

/** Numbers of eight bytes as binary headers have them. */
const WORDS = [0n, 1n, 7n, 0x7fffffffn, 0xffffffffn, 0x100000000n, 0x7fffffffffffffffn, 0xffffffffffffffffn].map(
  (value) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  },
);

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;

/** Changes a valid input by one to six steps: flips, cuts, copies, insertions of interesting pieces, and splices with another input. */
export function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  let bytes = pick(random, corpus);
  const steps = 1 + Math.floor(random() * 6);
  for (let i = 0; i < steps; i++) bytes = pick(random, STEPS)(bytes, random, corpus);
  return bytes;
}

type Step = (bytes: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

const place = (bytes: Buffer, random: Random): number => Math.floor(random() * (bytes.length + 1));

/** A stretch of at most `most` bytes. */
function stretch(bytes: Buffer, random: Random, most: number): [from: number, to: number] {
  const from = place(bytes, random);
  return [from, Math.min(bytes.length, from + Math.ceil(random() ** 3 * most))];
}

function insert(bytes: Buffer, at: number, piece: Buffer, replaced = 0): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + replaced)]);
}

const flip: Step = (bytes, random) => {
  const copy = Buffer.from(bytes);
  if (copy.length) copy[place(bytes, random) % copy.length]! ^= 1 << Math.floor(random() * 8);
  return copy;
};

const STEPS: Step[] = [
  flip,
  flip,
  (bytes, random) => insert(bytes, place(bytes, random), Buffer.of(Math.floor(random() * 256)), 1),
  (bytes, random) => bytes.subarray(0, place(bytes, random)),
  (bytes, random) => {
    const [from, to] = stretch(bytes, random, 200);
    return insert(bytes, from, Buffer.alloc(0), to - from);
  },
  (bytes, random) => {
    const [from, to] = stretch(bytes, random, 2000);
    return insert(bytes, place(bytes, random), bytes.subarray(from, to));
  },
  (bytes, random) => insert(bytes, place(bytes, random), pick(random, INTERESTING)),
  (bytes, random) => {
    const [from, to] = stretch(bytes, random, 30);
    return insert(bytes, from, pick(random, INTERESTING), to - from);
  },
  (bytes, random) => {
    const piece = pick(random, WORDS);
    return insert(bytes, random() < 0.5 ? 0 : place(bytes, random), piece, piece.length);
  },
  (bytes, random, corpus) => {
    const other = pick(random, corpus);
    return Buffer.concat([bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))]);
  },
];
