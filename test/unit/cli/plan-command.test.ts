import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planCommand } from '../../../src/cli/plan';

const TEXT = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { texts: { files: "*.txt" } }
stages:
  seed: { train: { tokens: 5120 } }
  law: { from: seed, train: { like: seed, tokens: 5120 } }
  btx: { upcycle: { method: btx, experts: [seed, law] }, train: { like: seed, tokens: 2560 } }
  dense: { from: seed, train: { like: btx, match: compute, countParents: true } }
`;

describe('bam plan', () => {
  it('says what of a budget is for parents', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bam-plan-'));
    const lines: string[] = [];
    try {
      writeFileSync(join(folder, 'a.txt'), 'one text');
      writeFileSync(join(folder, 'x.bam.yaml'), TEXT);
      const output = { print: (text: string) => lines.push(text), note: () => undefined, isTerminal: false };
      await planCommand(join(folder, 'x.bam.yaml'), {}, output);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const table = lines.join('\n').split('\n');
    const cells = (name: string) => table.find((line) => line.startsWith(`${name} `))!.split(/ {2,}/);
    const [law, btx, dense] = ['law', 'btx', 'dense'].map((name) => {
      const [steps, , flops] = cells(name).slice(-3);
      return { steps: Number(steps), flops };
    });
    assert.match(btx!.flops!, /^[\d.]+M$/);
    assert.match(dense!.flops!, new RegExp(`^[\\d.]+G \\(${law!.flops} for parents\\)$`));
    assert.equal(dense!.steps, law!.steps + btx!.steps);
  });
});
