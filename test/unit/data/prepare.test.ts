import assert from 'node:assert/strict';
import { readdirSync, truncateSync } from 'node:fs';
import { closeDomains, openDomains } from '../../../src/data/prepare';
import { TokenFile } from '../../../src/data/token-file';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { Workspace } from './workspace';

describe('prepare', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
    workspace.write({ 'law/a.txt': 'aaaa', 'law/b.txt': 'bbbb', 'math/a.txt': '1 + 1', 'math/b.txt': '2 + 2' });
  });
  afterEach(() => workspace.remove());

  function open(files: Record<string, string>, onProgress?: (domain: string) => void) {
    return openDomains({
      experimentDomains: Object.fromEntries(
        Object.entries(files).map(([name, glob]) => [name, { files: glob, heldOut: 0.5 }]),
      ),
      folder: workspace.folder,
      tokenizer: loadTokenizer('bytes', workspace.folder),
      dataFolder: workspace.path('.bam/data'),
      onProgress,
    });
  }

  it('packs what is missing and opens both sides of every domain', async () => {
    const packing = new Set<string>();
    const first = await open({ law: 'law/*' }, (domain) => packing.add(domain));
    closeDomains(first);
    const domains = await open({ law: 'law/*', math: 'math/*' }, (domain) => packing.add(domain));
    assert.deepEqual([...packing], ['law', 'math']);
    assert.deepEqual([...domains.keys()], ['law', 'math']);
    const law = domains.get('law')!;
    assert.equal(law.fingerprint, first.get('law')!.fingerprint);
    assert.equal(law.train.length + law.heldOut.length, 10);
    assert.equal(law.tokensPerByte, 5 / 4);
    closeDomains(domains);
    assert.deepEqual(readdirSync(workspace.path('.bam/data')).sort(), ['hashes.json', 'tokens']);
  });

  it('says which domain cannot be used', async () => {
    await assert.rejects(open({ law: 'law/*', code: 'code/*' }), { reason: 'no-files', message: /Domain code/ });
  });
});

describe('token file', () => {
  it('refuses a file of another size, and reads outside of it', () => {
    const workspace = new Workspace();
    const file = workspace.tokens(Uint32Array.of(1, 70_000, 3));
    assert.deepEqual([...file.read(1, 2)], [70_000, 3]);
    assert.throws(() => file.read(2, 2), RangeError);
    truncateSync(workspace.path('tokens.bin'), 8);
    assert.throws(() => file.read(1, 2), { reason: 'damaged-tokens' });
    assert.throws(() => TokenFile.open(workspace.path('tokens.bin'), 4, 3), {
      reason: 'damaged-tokens',
      message: /12.*8/,
    });
    file.close();
    workspace.remove();
  });
});
