import * as fc from 'fast-check';
import { isDeepJson } from '../../../src/base/files';
import { checkInstructions } from '../../../src/data/corpus';
import { readDocuments, type DocumentFields, type FileKind } from '../../../src/data/documents';
import { loadTask } from '../../../src/data/tasks';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { byteLevelTokenizer } from '../../unit/data/workspace';
import { editedDocuments, editedJson, jsonText } from '../json-edits';
import type { Target } from '../target';
import { Folder } from './folder';

/** Tokenizers of the kinds that there are. */
const TOKENIZERS = [
  byteLevelTokenizer(),
  {
    added_tokens: [{ id: 1, content: '</s>', special: true }],
    pre_tokenizer: { type: 'Whitespace' },
    model: { type: 'WordLevel', unk_token: '[UNK]', vocab: { '[UNK]': 0, '</s>': 1, the: 2, end: 3 } },
  },
  {
    added_tokens: [{ id: 3, content: '<eos>', special: true }],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFKC' },
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: { type: 'Split', pattern: { Regex: '\\w+|\\s+' }, behavior: 'Isolated', invert: false },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'Unigram',
      unk_id: 0,
      vocab: [
        ['<unk>', 0],
        ['▁the', -1.5],
        ['e', -3],
        ['<eos>', 0],
      ],
      byte_fallback: false,
    },
  },
];
const TEXT = 'Straße, the  naïve 漢字 🙂 .\n\n\tthe end\r\n';

/** The tokenizers' library says in the console what it does not know of a file. */
function quietly<T>(work: () => T): T {
  const { warn } = console;
  console.warn = () => undefined;
  try {
    return work();
  } finally {
    console.warn = warn;
  }
}

function tokenizerTarget(): Target {
  const folder = new Folder();
  const whole = TOKENIZERS.map((tokenizer) => ({ tokenizer, config: { eos_token: '</s>', add_bos_token: false } }));
  const withConfig = editedDocuments(whole).map((document) => Buffer.from(`${jsonText(document)}\n`));
  return {
    name: 'tokenizer.json',
    corpus: TOKENIZERS.map((tokenizer) => Buffer.from(JSON.stringify(tokenizer))),
    structured: fc.oneof(editedJson(TOKENIZERS), withConfig),
    run(input) {
      const text = input.toString('utf8');
      // What is too deep to be written apart goes in as it is.
      const isBoth = text.startsWith('{"tokenizer"') && text.endsWith('\n') && !isDeepJson(text);
      const { tokenizer, config } = isBoth
        ? (JSON.parse(text) as Record<string, unknown>)
        : { tokenizer: undefined, config: {} };
      folder.write('tokenizer.json', isBoth ? (JSON.stringify(tokenizer) ?? '') : text);
      folder.write('tokenizer_config.json', JSON.stringify(config) ?? '');
      const loaded = quietly(() => loadTokenizer('tokenizer.json', folder.path));
      if (!Number.isSafeInteger(loaded.vocabulary) || !Number.isSafeInteger(loaded.endOfDocument))
        throw new Error('no vocabulary');
      const ids = [...quietly(() => loaded.encode(TEXT))];
      if (ids.some((id) => id >= loaded.vocabulary)) throw new Error('an id beyond the vocabulary');
      loaded.decode(ids);
    },
    short: 300,
  };
}

const bytes = loadTokenizer('bytes', '.');

const ROWS = [
  { text: 'one text', id: 1 },
  { text: '', id: 2 },
  { prompt: '1+1=', answer: 2 },
  { prompt: 'Capital of France:', answer: ' Paris ' },
  { prompt: 'Best?', choices: ['this', 'that', 'none'], answer: 1 },
  { prompt: 'Best?', choices: ['this', 'that'], answer: 'that' },
  { prompt: 'a question', answer: 'its answer' },
];
const LINES = ROWS.map((row) => JSON.stringify(row)).join('\n');

async function drain(file: string, kind: FileKind, fields: DocumentFields, input: Buffer): Promise<void> {
  const source = { path: file, kind, size: input.length, hash: 'content' };
  for await (const document of readDocuments(source, fields, () => undefined)) {
    for await (const piece of document.pieces) if (!piece.length) throw new Error('an empty piece');
    if (document.prompt)
      for await (const piece of document.prompt) if (!piece.length) throw new Error('an empty piece');
  }
}

/** Corpora, instructions and tasks: which of them, the input's number decides. */
function documentsTarget(): Target {
  const folder = new Folder();
  const task = { file: 'x.jsonl', prompt: 'prompt', answer: 'answer', choices: 'choices', maximum: 50 };
  const source = { folder: folder.path, tokenizer: bytes, context: 64 };
  const readers: ((file: string, input: Buffer) => Promise<unknown>)[] = [
    (file, input) => drain(file, 'lines', 'text', input),
    (file, input) => drain(file, 'lines', { prompt: 'prompt', answer: 'answer' }, input),
    (file, input) => drain(file, 'json', 'text', input),
    (file, input) => drain(file, 'text', '', input),
    () => loadTask('quiz', { ...task, kind: 'exact-match' }, source),
    () => loadTask('quiz', { ...task, kind: 'multiple-choice' }, source),
    (file, input) => {
      const files = [{ path: file, kind: 'lines' as const, size: input.length, modified: 0, hash: 'content' }];
      const fields = { prompt: 'prompt', answer: 'answer' };
      return checkInstructions({ name: 'x', files, bytes: input.length, fields, heldOut: 0.1, fingerprint: '' });
    },
  ];
  const edited = editedDocuments([ROWS, ...ROWS.map((row) => [row])]);
  const asLines = edited.map((rows) =>
    Buffer.from(Array.isArray(rows) ? rows.map(jsonText).join('\n') : jsonText(rows)),
  );
  return {
    name: 'corpora, instructions, tasks',
    corpus: [
      Buffer.from(LINES),
      Buffer.from(JSON.stringify(ROWS)),
      ...ROWS.map((row) => Buffer.from(JSON.stringify(row))),
    ],
    structured: fc.oneof(
      asLines,
      edited.map((rows) => Buffer.from(jsonText(rows))),
    ),
    async run(input, random) {
      const file = folder.write('x.jsonl', input);
      await readers[Math.floor(random() * readers.length)]!(file, input);
    },
  };
}

export function dataTargets(): Target[] {
  return [tokenizerTarget(), documentsTarget()];
}
