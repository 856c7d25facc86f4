import assert from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { checkInstructions } from '../../../src/data/corpus';
import { heldOutBatches } from '../../../src/data/held-out';
import { MixtureSampler } from '../../../src/data/mixture';
import { packDomain } from '../../../src/data/pack';
import { marksPath } from '../../../src/data/packed';
import { closeDomains, openDomains } from '../../../src/data/prepare';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { byteLevelTokenizer, tokensOf, Workspace } from './workspace';

const bytes = loadTokenizer('bytes', '.');
const FIELDS = { prompt: 'q', answer: 'a' };
const PAIRS = Array.from({ length: 40 }, (_, i) => ({ q: `${i} + ${i} is `, a: String(2 * i) }));

describe('instructions', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
    workspace.write({ 'law.jsonl': PAIRS.map((pair) => `${JSON.stringify(pair)}\n`).join('') });
  });
  afterEach(() => workspace.remove());

  const pack = async () => packDomain(await workspace.corpus('law.jsonl', FIELDS), bytes, workspace.path('cache'));
  const open = (experimentDomains = { law: { files: 'law.jsonl', heldOut: 0.25, ...FIELDS } }) => {
    const { folder } = workspace;
    return openDomains({ experimentDomains, folder, tokenizer: bytes, dataFolder: workspace.path('data') });
  };

  it('are packed with marks on the tokens of answers and on the ends of documents', async () => {
    const packed = await pack();
    let [answers, learnt] = [0, 0];
    for (const part of ['train', 'heldOut'] as const) {
      const tokens = tokensOf(packed, part);
      const marks = readFileSync(marksPath(packed.folder, part));
      assert.equal(marks.length, tokens.length);
      const texts = tokens.map((token, i) => (token < 256 ? String.fromCharCode(token) : '|') + (marks[i] ? "'" : ''));
      for (const document of texts.join('').split("|'").filter(Boolean)) {
        const [, prompt, answer] = /^(\d+ \+ \d+ is )(.*)$/.exec(document)!;
        const expected = PAIRS.find(({ q }) => q === prompt)!.a;
        assert.equal(answer, [...expected].map((letter) => `${letter}'`).join(''));
      }
      answers += packed[part].answers!.bytes;
      learnt += packed[part].answers!.tokens;
    }
    const all = PAIRS.map(({ a }) => a).join('').length;
    assert.deepEqual([answers, learnt], [all, all + PAIRS.length]);
  });

  it('are packed anew where marks are cut', async () => {
    const packed = await pack();
    const before = readFileSync(marksPath(packed.folder, 'train'));
    truncateSync(marksPath(packed.folder, 'train'), 3);
    assert.deepEqual(readFileSync(marksPath((await pack()).folder, 'train')), before);
  });

  it('keep tokens of prompt and answer apart, as a model that is asked has them', async () => {
    workspace.write({ 'tokenizer.json': JSON.stringify(byteLevelTokenizer()) });
    const tokenizer = loadTokenizer('tokenizer.json', workspace.folder);
    const packed = await packDomain(await workspace.corpus('law.jsonl', FIELDS), tokenizer, workspace.path('cache'));
    const expected = PAIRS.map(({ q, a }) => [...tokenizer.encode(q), ...tokenizer.encode(a), tokenizer.endOfDocument]);
    const found = [...tokensOf(packed, 'train'), ...tokensOf(packed, 'heldOut')];
    assert.equal(found.length, expected.flat().length);
    assert.ok(found.join().includes(expected[7]!.join()));
  });

  it('give batches whose weights belong to the targets; beside texts, of which all tokens count', async () => {
    workspace.write({ 'text/a.txt': 'x'.repeat(300), 'text/b.txt': 'y'.repeat(300) });
    const domains = await open();
    const text = await open({ law: { files: 'text/*', heldOut: 0.25 } } as never);
    try {
      const [law, plain] = [domains.get('law')!, text.get('law')!];
      const isLearnt = (inputs: Int32Array, i: number): boolean => {
        // Answers are numbers that end with the document; those of prompts go on.
        const rest = String.fromCharCode(...inputs.subarray(i).map((token) => (token < 256 ? token : 10)));
        return /^\d*\n/.test(rest);
      };
      for (const batch of heldOutBatches(law, { context: 40, maximumTokens: 80, batch: 1 })) {
        const ids = Int32Array.from([batch.inputs[0]!, ...batch.targets]);
        // Behind the last whole document it cannot be told.
        const known = ids.lastIndexOf(256);
        for (let i = 0; i < known; i++) assert.equal(batch.weights![i], Number(isLearnt(ids, i + 1)), `target ${i}`);
      }
      const sampler = (...files: (typeof law)[]) =>
        new MixtureSampler(
          files.map((file, i) => ({ name: String(i), file: file.train, weight: 1 })),
          20,
          1,
        );
      assert.equal(sampler(plain).next(2).weights, undefined);
      const mixed = sampler(plain, law);
      assert.deepEqual([...mixed.next(1).weights!], new Array(20).fill(1), 'weights where the batch is of texts alone');
      const second = mixed.next(1).weights!;
      assert.ok(second.includes(0) && second.includes(1));
      const { tokens, answers } = (await pack()).heldOut;
      assert.ok(law.tokensPerByte === answers!.tokens / answers!.bytes && answers!.tokens < tokens);
    } finally {
      [domains, text].forEach(closeDomains);
    }
  });

  it('with mistakes are told with file and line', async () => {
    const mistakes: [object, string, RegExp][] = [
      [{ q: 'x', a: '' }, 'empty-field', /law\.jsonl:3: expected text in the field `a`, found an empty one/],
      [{ q: '', a: 'x' }, 'empty-field', /law\.jsonl:3: .* `q`/],
      [{ q: 'x' }, 'no-text-field', /law\.jsonl:3: expected an object with the field `a`/],
      [{ q: 'x', a: 7 }, 'no-text-field', /law\.jsonl:3: expected text in the field `a`, found 7/],
    ];
    for (const [wrong, reason, message] of mistakes) {
      workspace.write({ 'law.jsonl': [PAIRS[0], PAIRS[1], wrong].map((line) => JSON.stringify(line)).join('\n') });
      await assert.rejects(checkInstructions(await workspace.corpus('law.jsonl', FIELDS)), { reason, message });
    }
    workspace.write({ 'a.txt': 'text' });
    await assert.rejects(workspace.corpus('*.txt', FIELDS), { reason: 'not-instructions', message: /a\.txt/ });
  });

  it('have a fingerprint that knows the fields', async () => {
    const of = async (settings: object): Promise<string> => (await workspace.corpus('law.jsonl', settings)).fingerprint;
    const all = [await of(FIELDS), await of({ prompt: 'a', answer: 'q' }), await of({ field: 'a' })];
    assert.equal(new Set(all).size, 3);
  });
});
