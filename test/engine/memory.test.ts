import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const SCRIPT = join(__dirname, '..', 'support', 'train-and-measure.ts');

/** Resident memory in MB after steps 10, 20 ... 200 of a small model, in a process of its own. */
function residentMegabytes(model: string, form: string): number[] {
  const options = ['--expose-gc', '--require', 'tsx/cjs', SCRIPT, model, form];
  const output = execFileSync(process.execPath, options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return (JSON.parse(output.trim().split('\n').at(-1)!) as number[]).map((bytes) => Math.round(bytes / 1e6));
}

describe('the memory of a training process (native)', () => {
  const cases = ['dense', 'bam with kv-experts'].flatMap((model) =>
    ['eager', 'graph'].map((form) => ({ model, form })),
  );
  for (const { model, form } of cases) {
    it(`stays within 5 % from step 50 to step 200: ${model}, ${form}`, () => {
      const resident = residentMegabytes(model, form);
      // Node's own heap comes and goes by some megabytes, so the peak of some steps is compared with the least of later ones.
      const early = Math.max(...resident.slice(2, 5));
      const late = Math.min(...resident.slice(-5));
      assert.ok(late < early * 1.05, `up to ${early} MB by step 50, at least ${late} MB later: ${resident}`);
    });
  }
});
