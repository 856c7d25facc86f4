import assert from 'node:assert/strict';
import { readDocuments } from '../../../src/data/documents';
import { PIECE_BYTES } from '../../../src/data/pieces';
import { MAXIMUM_LINE_BYTES } from '../../../src/data/reading';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { byteLevelTokenizer, Workspace } from './workspace';

describe('documents', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
  });
  afterEach(() => workspace.remove());

  /** The documents of one file, each as its pieces. */
  async function read(name: string, content: string | Uint8Array, field?: string) {
    workspace.write({ [name]: content });
    const corpus = await workspace.corpus(name, field ? { field } : {});
    const documents: { hash: string; pieces: string[] }[] = [];
    for await (const { hash, pieces } of readDocuments(corpus.files[0]!, corpus.fields, () => undefined)) {
      const texts: string[] = [];
      for await (const piece of pieces) texts.push(piece.toString('utf8'));
      documents.push({ hash, pieces: texts });
    }
    return documents;
  }

  async function texts(name: string, content: string | Uint8Array, field?: string) {
    return (await read(name, content, field)).map(({ pieces }) => pieces.join(''));
  }

  it('reads text files, JSON lines and JSON', async () => {
    assert.deepEqual(await texts('a.txt', '\uFEFFone\ntwo\n'), ['one\ntwo\n']);
    assert.deepEqual(await texts('a.jsonl', '{"t":"one"}\r\n\n{"t":""}\n{"t":"two\\n","u":1}', 't'), ['one', 'two\n']);
    assert.deepEqual(await texts('a.json', '{"t":"one"}', 't'), ['one']);
    assert.deepEqual(await texts('b.json', '[{"t":"one"},{"t":"two"}]', 't'), ['one', 'two']);
    assert.deepEqual(await texts('c.json', '{"t":"one"}'), ['{"t":"one"}']);
    assert.deepEqual(await texts('d.txt', '{"t":"one"}', 't'), ['{"t":"one"}']);
  });

  it('gives the same text the same hash, whatever file it is in', async () => {
    const [plain] = await read('a.txt', '\uFEFFthe same ß');
    const [line] = await read('a.jsonl', '{"t":"the same ß"}\n', 't');
    assert.equal(line!.hash, plain!.hash);
  });

  it('names file and line of a mistake', async () => {
    const good = '{"t":"fine"}\n';
    const mistakes: [string, string, RegExp][] = [
      ['{"t":"cut\n', 'not-json', /expected one JSON object a line, found \{"t":"cut/],
      ['{"u":"other"}\n', 'no-text-field', /an object with the field `t`, found \{"u":"other"\}/],
      ['{"t":5}\n', 'no-text-field', /expected text in the field `t`, found 5/],
      ['"text"\n', 'no-text-field', /found "text"/],
    ];
    for (const [line, reason, message] of mistakes) {
      await assert.rejects(read('bad.jsonl', good + good + line + good, 't'), (error: Error) => {
        assert.match(error.message, /bad\.jsonl:3: /);
        assert.match(error.message, message);
        assert.equal((error as { reason?: string }).reason, reason);
        return true;
      });
    }
    await assert.rejects(read('bad.json', '[{"t":"fine"},{}]', 't'), { message: /bad\.json, entry 2: / });
  });

  it('refuses text that is not UTF-8, and lines beyond the limit', async () => {
    const latin1 = Buffer.from('Stra\xdfe\n', 'latin1');
    await assert.rejects(read('a.txt', latin1), { reason: 'not-utf8', message: /a\.txt/ });
    await assert.rejects(read('b.txt', Buffer.alloc(PIECE_BYTES * 3, 0x80)), { reason: 'not-utf8' });
    await assert.rejects(read('a.jsonl', latin1, 't'), { reason: 'not-utf8', message: /a\.jsonl:1/ });
    const long = Buffer.alloc(MAXIMUM_LINE_BYTES + 1, ' ');
    await assert.rejects(read('long.jsonl', long, 't'), { reason: 'line-too-long', message: /long\.jsonl:1/ });
  });

  it('cuts long text so that its tokens are those of the whole', async () => {
    workspace.write({ 'tokenizer.json': JSON.stringify(byteLevelTokenizer()) });
    const tokenizer = loadTokenizer('tokenizer.json', workspace.folder);
    const lines = ['The law of the one.\n', 'The law\r\n', 'the  law\n\n\n    ', 'The law.\n\n', '法律。\n'];
    for (const line of lines) {
      const text = line.repeat(Math.ceil((1.1 * PIECE_BYTES) / Buffer.byteLength(line)));
      const [document] = await read('a.txt', text);
      const pieces = document!.pieces;
      assert.equal(pieces.length, 2);
      assert.ok(pieces.every((piece) => Buffer.byteLength(piece) <= PIECE_BYTES));
      const ids = pieces.flatMap((piece) => [...tokenizer.encode(piece)]);
      assert.deepEqual(ids, [...tokenizer.encode(text)]);
      const [object] = await read('a.jsonl', JSON.stringify({ t: text }), 't');
      assert.deepEqual(object!.pieces, pieces);
    }
  });

  it('never cuts a character, even in a line without end', async () => {
    const text = 'x' + '🙂'.repeat(PIECE_BYTES / 2);
    const [document] = await read('a.txt', text);
    assert.equal(document!.pieces.length, 3);
    assert.equal(document!.pieces.join(''), text);
    assert.ok(document!.pieces.every((piece) => !piece.includes('\ufffd')));
  });
});
