import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const SCRIPT = join(__dirname, '..', 'support', 'train-and-measure.ts');

/** Resident memory after 50 and after 200 steps of a small model, in a process of its own. */
function residentBytes(model: string): [number, number] {
  const options = ['--expose-gc', '--require', 'tsx/cjs', SCRIPT, model];
  const output = execFileSync(process.execPath, options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return JSON.parse(output.trim().split('\n').at(-1)!) as [number, number];
}

describe('the memory of a training process (native)', () => {
  for (const model of ['dense', 'bam with kv-experts']) {
    it(`stays within 5 % from step 50 to step 200: ${model}`, () => {
      const [early, late] = residentBytes(model);
      assert.ok(
        late < early * 1.05,
        `${(early / 1e6).toFixed(0)} MB after 50 steps, ${(late / 1e6).toFixed(0)} MB after 200`,
      );
    });
  }
});
