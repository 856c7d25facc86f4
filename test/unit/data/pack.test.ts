import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { packDomain, type PackOptions } from '../../../src/data/pack';
import { metaPath, partPath } from '../../../src/data/packed';
import { TokenWriter } from '../../../src/data/token-writer';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { byteLevelTokenizer, documentsOf, tokensOf, Workspace } from './workspace';

const bytes = loadTokenizer('bytes', '.');

describe('pack', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
  });
  afterEach(() => workspace.remove());

  async function pack(glob: string, options: PackOptions & { field?: string; heldOut?: number } = {}) {
    const { field, heldOut, ...rest } = options;
    const settings = { ...(field && { field }), ...(heldOut && { heldOut }) };
    return packDomain(await workspace.corpus(glob, settings), bytes, workspace.path('cache'), rest);
  }

  function writeMany(count: number): string[] {
    const texts = Array.from({ length: count }, (_, i) => `Document ${i} says ß.`);
    workspace.write(Object.fromEntries(texts.map((text, i) => [`law/${i}.txt`, text])));
    return texts;
  }

  it('puts every document on one side, copies of it too, and about the asked share is held out', async () => {
    const texts = writeMany(300);
    const copies = texts.slice(0, 100);
    workspace.write({ 'law/copies.jsonl': copies.map((text) => JSON.stringify({ t: text })).join('\n') });
    const packed = await pack('law/*', { field: 't' });
    const [train, heldOut] = [documentsOf(packed, 'train'), documentsOf(packed, 'heldOut')];
    assert.deepEqual([...train, ...heldOut].sort(), [...texts, ...copies].sort());
    assert.equal(train.filter((text) => heldOut.includes(text)).length, 0);
    assert.ok(heldOut.length > 60 && heldOut.length < 140, `${heldOut.length} of 400 are near a quarter`);
    assert.equal(packed.heldOut.documents, heldOut.length);
    assert.equal(packed.train.bytes, Buffer.byteLength(train.join('')));
    assert.equal(packed.train.tokens, packed.train.bytes + train.length);
  });

  it('gives either side a document when there are two', async () => {
    workspace.write({ 'law/a.txt': 'one', 'law/b.txt': 'two' });
    for (const heldOut of [1e-9, 1 - 1e-9]) {
      const packed = await pack('law/*', { heldOut });
      assert.deepEqual([packed.train.documents, packed.heldOut.documents], [1, 1]);
    }
  });

  it('says what to do about one document, copied or not, and about none', async () => {
    workspace.write({ 'one/a.txt': 'only', 'two/a.txt': 'same', 'two/b.txt': 'same', 'none/a.jsonl': '{"t":""}\n' });
    await assert.rejects(pack('one/*'), { name: 'DataError', reason: 'one-document', advice: /Split .*a\.txt/ });
    await assert.rejects(pack('two/*'), { reason: 'one-document', message: /2 files hold the same text/ });
    await assert.rejects(pack('none/*', { field: 't' }), { reason: 'empty-corpus' });
  });

  it('packs once, and again what is damaged', async () => {
    writeMany(20);
    const reads: number[] = [];
    const onProgress = ({ doneBytes }: { doneBytes: number }) => reads.push(doneBytes);
    const packed = await pack('law/*', { onProgress });
    assert.ok(reads.length > 0);
    reads.length = 0;
    assert.deepEqual(await pack('law/*', { onProgress }), packed);
    assert.equal(reads.length, 0, 'nothing was read again');
    const train = readFileSync(partPath(packed.folder, 'train'));
    const damages = [
      () => truncateSync(partPath(packed.folder, 'train'), train.length - 2),
      () => writeFileSync(metaPath(packed.folder), '{"format":'),
      () => writeFileSync(metaPath(packed.folder), '{}'),
    ];
    for (const damage of damages) {
      damage();
      assert.deepEqual(await pack('law/*', { onProgress }), packed);
      assert.deepEqual(readFileSync(partPath(packed.folder, 'train')), train);
      assert.ok(reads.length > 0, 'it was packed again');
      reads.length = 0;
    }
    assert.deepEqual(readdirSync(workspace.path('cache')).length, 1);
  });

  it('gives the same tokens when files have other names, and others under another tokenizer', async () => {
    workspace.write({ 'a/1.txt': 'one', 'a/2.txt': 'two', 'a/3.txt': 'three' });
    workspace.write({ 'b/x.txt': 'three', 'b/y.txt': 'one', 'b/z.txt': 'two' });
    const first = await pack('a/*');
    const second = await packDomain(await workspace.corpus('b/*'), bytes, workspace.path('other'));
    assert.deepEqual(documentsOf(second, 'train'), documentsOf(first, 'train'));
    workspace.write({ 'tokenizer.json': JSON.stringify(byteLevelTokenizer()) });
    const tokenizer = loadTokenizer('tokenizer.json', workspace.folder);
    const third = await packDomain(await workspace.corpus('a/*'), tokenizer, workspace.path('cache'));
    assert.notEqual(third.folder, first.folder);
    const tokens = [...tokensOf(third, 'train'), ...tokensOf(third, 'heldOut')];
    assert.equal(tokens.filter((token) => token === tokenizer.endOfDocument).length, 3);
  });

  it('writes four bytes a token where the vocabulary asks for it', async () => {
    workspace.write({ 'a/1.txt': 'one', 'a/2.txt': 'two' });
    const wide = { ...bytes, vocabulary: 70_000, endOfDocument: 69_999, fingerprint: 'wide' };
    const packed = await packDomain(await workspace.corpus('a/*'), wide, workspace.path('cache'));
    assert.equal(packed.width, 4);
    assert.equal(tokensOf(packed, 'train').at(-1), 69_999);
  });

  it('survives that two pack at once', async () => {
    writeMany(50);
    const all = await Promise.all([pack('law/*'), pack('law/*'), pack('law/*')]);
    for (const packed of all) assert.deepEqual(documentsOf(packed, 'train'), documentsOf(all[0]!, 'train'));
    assert.equal(readdirSync(workspace.path('cache')).length, 1);
  });

  it('stops when told, and leaves nothing', async () => {
    writeMany(50);
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    await assert.rejects(pack('law/*', { onProgress, signal: controller.signal }), { name: 'AbortError' });
    assert.deepEqual(readdirSync(workspace.path('cache')), []);
  });

  it('removes what a crashed process left', async () => {
    writeMany(3);
    const packed = await pack('law/*');
    const [crashed, busy] = [`${packed.folder}.tmp-crashed`, `${packed.folder}.tmp-busy`];
    for (const folder of [crashed, busy]) mkdirSync(folder);
    for (const folder of [crashed, busy]) writeFileSync(partPath(folder, 'train'), '');
    for (const path of [partPath(crashed, 'train'), crashed, busy]) utimesSync(path, 1000, 1000);
    truncateSync(partPath(packed.folder, 'train'), 0);
    await pack('law/*');
    const left = readdirSync(workspace.path('cache'));
    assert.equal(left.length, 2);
    assert.ok(left.some((name) => name.endsWith('busy')));
  });

  it('refuses a file that changes while it is read', async () => {
    writeMany(3);
    const corpus = await workspace.corpus('law/*');
    workspace.write({ 'law/1.txt': 'Something longer than before, or so it seems.' });
    await assert.rejects(packDomain(corpus, bytes, workspace.path('cache')), {
      reason: 'changed-while-reading',
      message: /1\.txt/,
    });
  });

  (existsSync('/dev/full') ? it : it.skip)('says that the disk is full', () => {
    const writer = new TokenWriter('/dev/full', 2);
    writer.add(Uint32Array.of(1, 2, 3));
    assert.throws(() => writer.sync(), { name: 'BamError', reason: 'no-space' });
    writer.close();
  });

  it('packs a file of 100 MB in memory that does not grow with it', async () => {
    writeLarge(workspace.path('large.txt'), 100);
    workspace.write({ 'small.txt': 'small' });
    const corpus = await workspace.corpus('*.txt', { heldOut: 1e-9 });
    const before = process.memoryUsage().rss;
    let peak = before;
    let reports = 0;
    const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5);
    const onProgress = () => (reports += 1);
    const start = Date.now();
    const packed = await packDomain(corpus, bytes, workspace.path('cache'), { onProgress });
    clearInterval(timer);
    assert.equal(packed.train.bytes + packed.heldOut.bytes, corpus.bytes);
    assert.ok(peak - before < 80e6, `grew by ${Math.round((peak - before) / 1e6)} MB`);
    assert.ok(reports <= 2 + (Date.now() - start) / 250, `${reports} reports`);
  }).timeout(20_000);
});

function writeLarge(path: string, megabytes: number): void {
  const block = Buffer.from('All work and no play makes Jack a dull boy.\n'.repeat(25_000).slice(0, 1_000_000));
  const handle = openSync(path, 'w');
  for (let i = 0; i < megabytes; i++) writeSync(handle, block);
  closeSync(handle);
}
