import * as fc from 'fast-check';

/** Stands for nesting that no writer of JSON could write, until the text is made. */
const DEEP = '@@deep@@';

const STRINGS = [
  ...['', ' ', 'a', '0', '-1', '1e9', '__proto__', 'constructor', 'hasOwnProperty', 'a'.repeat(3000), '\0', '\ud800'],
  ...[
    '../../etc/passwd',
    '/etc/passwd',
    'C:\\secret',
    '..\\up',
    '<img src=x onerror=1>',
    '[a](command:x)',
    '$(rm -rf /)',
    '`x`',
  ],
  ...['500k', '1e15', 'equal', 'bytes', 'seed', 'bam', 'btx', 'F32', 'F16', 'I64', 'model.safetensors', DEEP],
];
const NUMBERS = [
  0,
  1,
  -1,
  2,
  3,
  7,
  0.5,
  -0.5,
  1e-9,
  64,
  255,
  65_536,
  1e6,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e15,
  1e300,
  -1e300,
];

const leaf = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...STRINGS) },
  { weight: 4, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [null], [[]], { a: 1 }) },
  { weight: 1, arbitrary: fc.jsonValue() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constant(Array.from({ length: 300 }, (_, i) => i)) },
);

type Kind = 'replace' | 'remove' | 'rename' | 'copy' | 'swap' | 'wrap';
const edit = fc.record({
  kind: fc.constantFrom<Kind>('replace', 'replace', 'replace', 'remove', 'rename', 'copy', 'swap', 'wrap'),
  at: fc.nat(1_000_000),
  other: fc.nat(1_000_000),
  value: leaf,
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

/** A place of a document: what holds it, and under which key. */
interface Slot {
  holder: Record<string, unknown> | unknown[];
  key: string;
}

function slotsOf(value: unknown): Slot[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => {
    const holder = value as Slot['holder'];
    return [{ holder, key }, ...slotsOf((holder as Record<string, unknown>)[key])];
  });
}

const get = ({ holder, key }: Slot): unknown => (holder as Record<string, unknown>)[key];
/** Also under the key `__proto__`, which JSON may have. */
const put = ({ holder, key }: Slot, value: unknown): unknown =>
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });

function apply(document: unknown, { kind, at, other, value }: Edit): void {
  const slots = slotsOf(document);
  if (!slots.length) return;
  const slot = slots[at % slots.length]!;
  const another = slots[other % slots.length]!;
  const before = structuredClone(get(slot));
  if (kind === 'replace') put(slot, structuredClone(value));
  else if (kind === 'copy') put(slot, structuredClone(get(another)));
  else if (kind === 'wrap') put(slot, other % 2 ? [before] : { [String(value).slice(0, 50)]: before });
  else if (kind === 'swap') {
    put(slot, structuredClone(get(another)));
    // The other place may have gone with what was replaced; then the change is lost, which does no harm.
    put(another, before);
  } else if (Array.isArray(slot.holder))
    slot.holder.splice(Number(slot.key), kind === 'remove' ? 1 : 0, structuredClone(value));
  else {
    Reflect.deleteProperty(slot.holder, slot.key);
    if (kind === 'rename')
      put({ ...slot, key: typeof value === 'string' ? value : JSON.stringify(value).slice(0, 99) }, before);
  }
}

/** Valid documents with one to five places changed, as data. */
export function editedDocuments(documents: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.nat(documents.length - 1), fc.array(edit, { minLength: 1, maxLength: 5 }))
    .map(([index, edits]) => {
      const root = { document: structuredClone(documents[index]) };
      for (const one of edits) apply(root, one);
      return root.document ?? null;
    });
}

/** A document as JSON text. */
export function jsonText(document: unknown): string {
  const text = JSON.stringify(document) ?? 'null';
  return text.replaceAll(`"${DEEP}"`, '['.repeat(8000) + ']'.repeat(8000));
}

/** Valid documents with one to five places changed, as JSON. */
export function editedJson(documents: readonly unknown[]): fc.Arbitrary<Buffer> {
  return editedDocuments(documents).map((document) => Buffer.from(jsonText(document)));
}
