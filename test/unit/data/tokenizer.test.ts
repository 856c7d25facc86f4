import assert from 'node:assert/strict';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { byteLevelTokenizer, Workspace } from './workspace';

const TEXT = 'Straße, the  naïve 漢字 🙂 .\n\n\tthe end\r\n';

describe('tokenizer', () => {
  const workspace = new Workspace();
  after(() => workspace.remove());

  it('turns text into bytes and back', () => {
    const bytes = loadTokenizer('bytes', workspace.folder);
    const ids = [...bytes.encode(TEXT)];
    assert.deepEqual(ids, [...Buffer.from(TEXT)]);
    assert.equal(bytes.decode(ids), TEXT);
    assert.equal(bytes.vocabulary, 257);
  });

  it('leaves out the end of a document and bears characters that are cut', () => {
    const bytes = loadTokenizer('bytes', workspace.folder);
    assert.equal(bytes.decode([104, bytes.endOfDocument, 105]), 'hi');
    assert.equal(bytes.decode([...Buffer.from('aß')].slice(0, 2)), 'a\ufffd');
  });

  it('turns text into the tokens of a tokenizer.json and back', () => {
    workspace.write({ 'gpt/tokenizer.json': JSON.stringify(byteLevelTokenizer()) });
    const tokenizer = loadTokenizer('gpt/tokenizer.json', workspace.folder);
    const ids = [...tokenizer.encode(TEXT)];
    assert.ok(ids.length < Buffer.byteLength(TEXT), 'merges are used');
    assert.equal(tokenizer.decode([...ids, tokenizer.endOfDocument]), TEXT);
    assert.equal(tokenizer.decode([]), '');
    assert.equal(tokenizer.vocabulary, 264);
    assert.equal(tokenizer.endOfDocument, 263);
  });

  it('takes the end of a document, and another fingerprint, from tokenizer_config.json', () => {
    const json = JSON.stringify(wordLevel({ '[UNK]': 0, '[END]': 1, one: 2, two: 3 }));
    workspace.write({ 'words/tokenizer.json': json });
    assert.throws(() => loadTokenizer('words/tokenizer.json', workspace.folder), {
      reason: 'no-end-of-document',
      advice: /tokenizer_config\.json.*eos_token/,
    });
    workspace.write({ 'words/tokenizer_config.json': JSON.stringify({ eos_token: { content: '[END]' } }) });
    const first = loadTokenizer('words/tokenizer.json', workspace.folder);
    assert.equal(first.endOfDocument, 1);
    assert.deepEqual([...first.encode('two three one')], [3, 0, 2]);
    workspace.write({ 'words/tokenizer_config.json': JSON.stringify({ eos_token: '[UNK]' }) });
    assert.notEqual(loadTokenizer('words/tokenizer.json', workspace.folder).fingerprint, first.fingerprint);
  });

  it('says which word a vocabulary without an unknown token lacks', () => {
    const { model, ...rest } = wordLevel({ '</s>': 0, one: 1 });
    const vocab = (model as { vocab: object }).vocab;
    workspace.write({ 'closed/tokenizer.json': JSON.stringify({ ...rest, model: { type: 'WordLevel', vocab } }) });
    const tokenizer = loadTokenizer('closed/tokenizer.json', workspace.folder);
    assert.throws(() => tokenizer.encode('one seven'), { reason: 'unknown-token', message: /"seven"/ });
  });

  it('refuses what is missing, no JSON or no tokenizer, by name', () => {
    workspace.write({ 'cut.json': '{"model":', 'config.json': '{"eos_token":"</s>"}', 'list.json': '[]' });
    const expected = {
      'gone.json': 'tokenizer-missing',
      '.': 'tokenizer-missing',
      'cut.json': 'not-json',
      'config.json': 'not-a-tokenizer',
      'list.json': 'not-a-tokenizer',
    };
    for (const [name, reason] of Object.entries(expected)) {
      assert.throws(() => loadTokenizer(name, workspace.folder), { name: 'DataError', reason }, name);
    }
    assert.throws(() => loadTokenizer('gone.json', workspace.folder), { message: /gone\.json/, advice: /bytes/ });
  });
});

function wordLevel(vocab: Record<string, number>): Record<string, unknown> {
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', unk_token: '[UNK]', vocab },
  };
}
