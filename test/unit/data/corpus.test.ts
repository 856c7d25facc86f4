import assert from 'node:assert/strict';
import { readFileSync, renameSync, symlinkSync, utimesSync } from 'node:fs';
import { relative } from 'node:path';
import { findCorpus } from '../../../src/data/corpus';
import { FileHashes } from '../../../src/data/hashes';
import { Workspace } from './workspace';

describe('corpus', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
    workspace.write({ 'law/b.txt': 'two', 'law/a.txt': 'one', 'law/deep/c.txt': 'three', 'law/.hidden.txt': 'no' });
  });
  afterEach(() => workspace.remove());

  it('finds the files of its globs, sorted, without dot files, links and excluded ones', async () => {
    symlinkSync(workspace.path('law/a.txt'), workspace.path('law/link.txt'));
    symlinkSync(workspace.path('law/deep'), workspace.path('law/linked'));
    const names = async (globs: string | string[]) =>
      (await workspace.corpus(globs)).files.map(({ path }) => relative(workspace.folder, path));
    assert.deepEqual(await names('law/**/*.txt'), ['law/a.txt', 'law/b.txt', 'law/deep/c.txt']);
    assert.deepEqual(await names(['law/b*', 'law/*.txt', '!**/a.txt']), ['law/b.txt']);
  });

  it('has a fingerprint that follows content, field and share, not names', async () => {
    const { fingerprint, bytes } = await workspace.corpus('law/**');
    assert.equal(bytes, 11);
    assert.notEqual((await workspace.corpus('law/**', { heldOut: 0.3 })).fingerprint, fingerprint);
    assert.notEqual((await workspace.corpus('law/**', { field: 'text' })).fingerprint, fingerprint);
    renameSync(workspace.path('law'), workspace.path('rules'));
    renameSync(workspace.path('rules/a.txt'), workspace.path('rules/z.txt'));
    assert.equal((await workspace.corpus('rules/**')).fingerprint, fingerprint);
    workspace.write({ 'rules/b.txt': 'TWO' });
    assert.notEqual((await workspace.corpus('rules/**')).fingerprint, fingerprint);
  });

  it('hashes a file again only when its size or time changed', async () => {
    const config = { files: 'law/a.txt', heldOut: 0.1 };
    const find = async () => {
      const hashes = FileHashes.load(workspace.path('hashes.json'));
      const corpus = await findCorpus('law', config, workspace.folder, hashes);
      hashes.save();
      return corpus.fingerprint;
    };
    utimesSync(workspace.path('law/a.txt'), 1000, 1000);
    const first = await find();
    workspace.write({ 'law/a.txt': 'ONE' });
    utimesSync(workspace.path('law/a.txt'), 1000, 1000);
    assert.equal(await find(), first, 'taken from the memo');
    utimesSync(workspace.path('law/a.txt'), 1000, 1001);
    const second = await find();
    assert.notEqual(second, first);
    workspace.write({ 'hashes.json': '{"damaged' });
    assert.equal(await find(), second);
    assert.match(readFileSync(workspace.path('hashes.json'), 'utf8'), /law\/a\.txt/);
  });

  it('names the glob that matches nothing, and the folder', async () => {
    await assert.rejects(workspace.corpus(['law/*.txt', 'math/*.txt']), (error: Error) => {
      assert.match(error.message, /Domain law: .*"math\/\*\.txt"/);
      assert.ok(error.message.includes(workspace.folder));
      assert.equal((error as { reason?: string }).reason, 'no-files');
      return true;
    });
  });

  it('refuses files without text, and objects without a field', async () => {
    workspace.write({ 'empty/a.txt': '', 'empty/b.txt': '\uFEFF', 'lines/a.jsonl': '{}' });
    await assert.rejects(workspace.corpus('empty/*'), { reason: 'empty-corpus', message: /2 files/ });
    await assert.rejects(workspace.corpus('lines/*'), { reason: 'field-required', advice: /field/ });
  });
});
