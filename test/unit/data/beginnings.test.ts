import assert from 'node:assert/strict';
import { heldOutBeginnings } from '../../../src/data/beginnings';
import { packDomain } from '../../../src/data/pack';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { documentsOf, Workspace } from './workspace';

describe('the beginnings of held-out documents', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
  });
  afterEach(() => workspace.remove());

  it('are those of the documents that never train, in their order, without a character cut in two', async () => {
    const texts = Array.from({ length: 40 }, (_, i) => `${i} 😀😀 and on`);
    workspace.write({ 'a.jsonl': texts.map((text) => JSON.stringify({ text })).join('\n') });
    const corpus = await workspace.corpus('a.jsonl', { field: 'text' });
    const packed = await packDomain(corpus, loadTokenizer('bytes', workspace.folder), workspace.path('tokens'), {});
    const heldOut = documentsOf(packed, 'heldOut');
    assert.ok(heldOut.length > 3);
    const whole = await heldOutBeginnings(corpus, { documents: 100, characters: 1000 });
    assert.deepEqual(whole, heldOut);
    const some = await heldOutBeginnings(corpus, { documents: 2, characters: 4 });
    assert.deepEqual(
      some,
      heldOut.slice(0, 2).map((text) => [...text].slice(0, 4).join('')),
    );
  });

  it('are of instructions the prompt and then the answer', async () => {
    const lines = Array.from({ length: 12 }, (_, i) => JSON.stringify({ q: `${i} + 1 =`, a: ` ${i + 1}` }));
    workspace.write({ 'a.jsonl': lines.join('\n') });
    const corpus = await workspace.corpus('a.jsonl', { prompt: 'q', answer: 'a' });
    const [first] = await heldOutBeginnings(corpus, { documents: 1, characters: 100 });
    assert.match(first!, /^(\d+) \+ 1 = \d+$/);
  });
});
