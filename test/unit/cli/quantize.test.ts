import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BamError } from '../../../src/base/errors';
import { saveCheckpoint } from '../../../src/checkpoint/checkpoint';
import { quantizeCommand } from '../../../src/cli/quantize';
import { openExpertFolder } from '../../../src/offload/open-folder';
import { MIXTURE, parametersOf } from '../offload/mixture';

const provenance = { experiment: 'x', stage: 'bam', key: 'k', run: 'r', tokenizer: 'bytes', version: '0' };

describe('bam quantize', () => {
  let folder: string;
  let lines: string[];
  const output = {
    print: (line: string): void => void lines.push(line),
    note: (line: string): void => void lines.push(line),
    isTerminal: false,
  };
  beforeEach(() => {
    lines = [];
    folder = mkdtempSync(join(tmpdir(), 'bam-quantize-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const training = { step: 7, draws: {}, seconds: 1 };
  const checkpoint = (): Promise<string> =>
    saveCheckpoint(folder, { architecture: MIXTURE, parameters: parametersOf(MIXTURE), training }, provenance);

  it('writes the experts of a checkpoint in the precisions that were asked for', async () => {
    const to = join(folder, 'out');
    const options = { out: to, precisions: 'int4, float32', group: '4' };
    await quantizeCommand(await checkpoint(), undefined, options, output);
    const text = lines.join('\n');
    assert.match(text, /^6 FFN experts of step 7: .*out\n/);
    assert.match(text, /float32 +1\.15k +6\.91k\n *int4 +432 +2\.59k\n.*: 2\.69k$/s);
    const opened = await openExpertFolder(to);
    assert.deepEqual(opened.precisions, ['float32', 'int4']);
    await opened.close();
  });

  it('prints JSON', async () => {
    await quantizeCommand(await checkpoint(), undefined, { out: join(folder, 'out'), group: '64', json: true }, output);
    const { experts, step, expertBytes } = JSON.parse(lines.join('')) as Record<string, unknown>;
    assert.deepEqual([experts, step], [6, 7]);
    assert.deepEqual(expertBytes, { float32: 1152, float16: 576, int8: 416, int4: 272 });
  });

  it('refuses what it does not know', async () => {
    const reason = async (options: { precisions?: string; group?: string }): Promise<string> => {
      const all = { out: join(folder, 'out'), group: '64', ...options };
      return quantizeCommand(folder, undefined, all, output).then(
        () => 'none',
        (error: unknown) => (error as BamError).reason,
      );
    };
    assert.equal(await reason({ precisions: 'int8,int2' }), 'bad-precision');
    assert.equal(await reason({ group: '0' }), 'bad-group');
    assert.equal(await reason({}), 'damaged');
  });
});
