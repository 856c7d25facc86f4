import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uniformGenerator } from '../../src/base/random';
import type { OpenDomain } from '../../src/data/prepare';
import { TokenFile } from '../../src/data/token-file';

/** Tokens of each domain. */
const TOKENS = 2000;

/** Two domains of random bytes, `general` and `law`, in a folder that stages may write into too. */
export class RandomDomains {
  readonly folder = mkdtempSync(join(tmpdir(), 'bam-domains-'));
  readonly domains = new Map<string, OpenDomain>();

  constructor() {
    const uniform = uniformGenerator(1);
    for (const name of ['general', 'law']) {
      const path = join(this.folder, name);
      writeFileSync(
        path,
        Uint16Array.from({ length: TOKENS }, () => Math.floor(uniform() * 257)),
      );
      const file = TokenFile.open(path, 2, TOKENS);
      this.domains.set(name, { name, fingerprint: '', train: file, heldOut: file, tokensPerByte: 1 });
    }
  }

  close(): void {
    for (const { train } of this.domains.values()) train.close();
    rmSync(this.folder, { recursive: true });
  }
}
