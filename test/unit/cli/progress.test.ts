import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunProgress } from '../../../src/cli/progress';
import type { EventBody } from '../../../src/events/event';
import { EventLog } from '../../../src/events/log';
import type { PlannedStage } from '../../../src/plan/plan';

const stage = (name: string): PlannedStage =>
  ({ name, train: { steps: 100, tokens: 1000, flops: 1e6 } }) as PlannedStage;

const step = (name: string, at: number): EventBody => ({
  ...{ type: 'step', stage: name, step: at, tokens: at * 10, flops: at * 1e4, loss: 2, languageModel: 2 },
  ...{ loadBalance: 0, routerZ: 0, learningRate: 1e-3, gradientNorm: 1, tokensPerSecond: 10 },
  ...{ residentBytes: 1, tensors: 1, routing: [] },
});

describe('the progress line of a run', () => {
  it('shows every stage at work, their speed together, and the time that is left at it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bam-progress-'));
    const path = join(folder, 'events.ndjson');
    const { log } = EventLog.open(path);
    const lines: string[] = [];
    const output = { isTerminal: false, print: () => undefined, note: (text: string) => void lines.push(text) };
    const progress = new RunProgress(path, ['law', 'math', 'bam'].map(stage), output);
    for (const event of [step('law', 1), step('math', 10), step('law', 20)]) log.append(event);
    progress.finish();
    // 3e6 FLOPs, of which 0.2e6 and 0.1e6 are done, at 2 x 10 tokens of 1000 FLOPs a second.
    assert.equal(
      lines.at(-1),
      '[1/3] law: step 20/100 20 %, loss 2.000; [2/3] math: step 10/100 10 %, loss 2.000, 20 tokens/s, about 2 min 15 s left',
    );
    log.close();
    rmSync(folder, { recursive: true });
  });
});
