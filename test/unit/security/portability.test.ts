import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, win32 } from 'node:path';
import { isPlainName, staysBelow } from '../../../src/base/plain-name';
import { findCorpus } from '../../../src/data/corpus';
import { FileHashes } from '../../../src/data/hashes';
import { planText } from '../../../src/plan/plan-file';
import { checkpointsFolder } from '../../../src/plan/result';
import { findWorkspaceRoot, newRunId, Workspace } from '../../../src/store/layout';

const NAME = 'ein Ordner, 漢字 & more (1)';

describe('paths with spaces and letters of any language', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'bam paths-')), NAME);
    mkdirSync(join(folder, 'corpus ü'), { recursive: true });
    writeFileSync(join(folder, 'corpus ü', 'a b.txt'), 'text\n');
  });
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

  it('are read as corpora, and experiments in them are planned', async () => {
    const corpus = await findCorpus('x', { files: 'corpus ü/*.txt', heldOut: 0.5 }, folder, FileHashes.fresh());
    assert.deepEqual(
      corpus.files.map(({ path }) => path.split('/').at(-1)),
      ['a b.txt'],
    );
    const text = `name: "${NAME}"
model: { layers: 1, width: 8, heads: 1, ffnHidden: 8, context: 8 }
domains: { law: { files: "corpus ü/*.txt" } }
stages: { seed: { train: { tokens: 64 } } }
`;
    const { plan } = await planText(text, join(folder, 'ü x.bam.yaml'), join(folder, '.bam', 'data'));
    assert.deepEqual(
      plan.domains.map(({ files }) => files),
      [1],
    );
  });

  it('hold runs, whose ids are plain whatever the experiment is called', () => {
    const workspace = new Workspace(findWorkspaceRoot(folder));
    for (const name of [NAME, '..', 'CON', 'a/b\\c:d', '漢字', '']) {
      const id = newRunId(workspace, name, new Date(0));
      assert.match(id, /^[A-Za-z0-9][\w.-]*-19700101-000000-[0-9a-f]{4}$/);
      assert.ok(isPlainName(id));
    }
  });
});

describe('names and paths as Windows has them', () => {
  it('are taken for what they are on every system', () => {
    for (const name of ['a\\b', 'C:', '..\\x', 'x:stream']) {
      assert.ok(!isPlainName(name), name);
      assert.throws(() => checkpointsFolder('/s', name), { reason: 'bad-name' });
    }
    for (const path of ['C:\\x', '\\\\server\\share', '..\\x', 'a\\..\\..\\x', win32.resolve('C:\\', 'x')]) {
      assert.ok(!staysBelow(path), path);
    }
    assert.ok(staysBelow(win32.join('stages', 'k', 'checkpoints')));
  });
});
