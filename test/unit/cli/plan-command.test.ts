import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planCommand, type PlanCommandOptions } from '../../../src/cli/plan';

const TEXT = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { texts: { files: "*.txt" } }
stages:
  seed: { train: { tokens: 5120 } }
  law: { from: seed, train: { like: seed, tokens: 5120 } }
  btx: { upcycle: { method: btx, experts: [seed, law] }, train: { like: seed, tokens: 2560 } }
  dense: { from: seed, train: { like: btx, match: compute, countParents: true } }
`;

/** What `bam plan` prints of the file. */
async function printed(options: PlanCommandOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bam-plan-'));
  const lines: string[] = [];
  try {
    writeFileSync(join(folder, 'a.txt'), 'one text');
    writeFileSync(join(folder, 'x.bam.yaml'), TEXT);
    const output = { print: (text: string) => lines.push(text), note: () => undefined, isTerminal: false };
    await planCommand(join(folder, 'x.bam.yaml'), options, output);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return lines.join('\n');
}

describe('bam plan', () => {
  it('says what of a budget is for parents', async () => {
    const table = (await printed({})).split('\n');
    const cells = (name: string) => table.find((line) => line.startsWith(`${name} `))!.split(/ {2,}/);
    const [law, btx, dense] = ['law', 'btx', 'dense'].map((name) => {
      const [steps, , flops] = cells(name).slice(-3);
      return { steps: Number(steps), flops };
    });
    assert.match(btx!.flops!, /^[\d.]+M$/);
    assert.match(dense!.flops!, new RegExp(`^[\\d.]+G \\(${law!.flops} for parents\\)$`));
    assert.equal(dense!.steps, law!.steps + btx!.steps);
  });

  it('tells what the plan needs on several devices, and keeps that out of the stages', async () => {
    type Needs = { seconds: number; secondsOnOne: number; stages: Record<string, { seconds: number }> };
    const read = async (options: PlanCommandOptions) =>
      JSON.parse(await printed({ ...options, json: true })) as { stages: object; needs?: Needs };
    const { needs, stages } = (await read({ devices: '2', flops: '1M' })) as { stages: object; needs: Needs };
    const plain = await read({});
    assert.deepEqual([stages, plain.needs], [plain.stages, undefined]);
    const { seed, law, btx, dense } = needs.stages as Record<'seed' | 'law' | 'btx' | 'dense', { seconds: number }>;
    const both = needs.secondsOnOne - needs.seconds;
    // The seed is first; law and dense, then btx, side by side: btx waits for law only.
    const alone = law.seconds + btx.seconds;
    assert.ok(
      Math.abs(both - Math.min(alone, dense.seconds)) < 1e-6 * needs.secondsOnOne,
      `${both} of ${seed.seconds}`,
    );
    const text = await printed({ devices: '2', flops: '1M' });
    assert.match(text, /^seed +\d+ MB/m);
    assert.match(text, /All stages: .* on one device, .* on 2, at 1M FLOP\/s each/);
    await assert.rejects(printed({ devices: 'two' }), { reason: 'bad-option', message: /--devices, found "two"/ });
  });
});
