import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { compareCommand } from '../../../src/cli/compare';
import { indexCommand } from '../../../src/cli/index-command';
import type { Output } from '../../../src/cli/output';
import { stageNames } from '../../../src/cli/run';
import { runsCommand } from '../../../src/cli/runs';
import type { Routing } from '../../../src/events/event';
import { showCommand } from '../../../src/cli/show';
import type { Workspace } from '../../../src/store/layout';
import * as made from '../store/synthetic';

const FIRST = 'law-math-20261124-171530-a1b2';
const SECOND = 'law-math-20261125-090000-c3d4';

const ROUTER: Routing = {
  ...{
    layer: 0,
    router: 'attention',
    load: [1, 0],
    meanGate: [0.75, 0.25],
    entropy: 0.5,
    maxViolation: 1,
    deadExperts: 1,
  },
  ...{ coActivation: [0.125], saturation: 0.5 },
};

/** Runs `work` in a workspace with two finished runs that differ in learning rate and result. */
async function inWorkspace(work: (workspace: Workspace) => Promise<void>): Promise<void> {
  const before = process.cwd();
  await made.withWorkspace(async (workspace) => {
    for (const [run, rate, perplexity, start] of [
      [FIRST, '1e-3', 10, made.START],
      [SECOND, '2e-3', 9.5, made.START + 56_670_000],
    ] as const) {
      const result = made.evaluation(100, { law: perplexity }, { law: [ROUTER] });
      const bodies = [made.runStarted(run, ['seed']), made.stageStarted('seed'), made.stageFinished('seed', result)];
      made.writeEvents(workspace, run, [...bodies, made.RUN_FINISHED], 1, start);
      const text = `name: law-math\nstages: { seed: { train: { mix: { law: 1 }, peakLearningRate: ${rate} } } }\n`;
      writeFileSync(workspace.experimentFile(run), text);
    }
    process.chdir(workspace.root);
    try {
      await work(workspace);
    } finally {
      process.chdir(before);
    }
  });
}

/** What a command printed on standard output. */
async function printed(command: (output: Output) => Promise<void>): Promise<string> {
  const lines: string[] = [];
  await command({ print: (text) => lines.push(text), note: () => undefined, isTerminal: false });
  return lines.join('\n');
}

describe('commands about runs', () => {
  it('bam runs: newest first, as a table and as JSON', () =>
    inWorkspace(async () => {
      const lines = (await printed((output) => runsCommand({}, output))).split('\n');
      assert.match(lines[2]!, new RegExp(`^${SECOND} +law-math +finished +1 of 1 +9\\.500 +2026-11-25 09:00 UTC$`));
      assert.ok(lines[3]!.startsWith(FIRST));
      const runs = JSON.parse(await printed((output) => runsCommand({ json: true }, output))) as { id: string }[];
      assert.deepEqual(
        runs.map(({ id }) => id),
        [SECOND, FIRST],
      );
    }));

  it('bam show: a run by the beginning of its id or `last`, with results and folder', () =>
    inWorkspace(async (workspace) => {
      const text = await printed((output) => showCommand('law-math-20261124', {}, output));
      assert.match(text, new RegExp(`^${FIRST}: finished in 1 min 0 s, 1 of 1 stages done\n`));
      assert.match(text, /seed +finished +100 of 100 +42 s +10\.00/);
      assert.ok(text.endsWith(`Folder: ${workspace.runFolder(FIRST)}`));
      const last = JSON.parse(await printed((output) => showCommand('last', { json: true }, output))) as {
        id: string;
        routing: unknown;
      };
      assert.equal(last.id, SECOND);
      assert.deepEqual(last.routing, { seed: [{ step: 100, domain: 'law', routers: [ROUTER] }] });
    }));

  it('bam compare: what differs in the files, and the results side by side', () =>
    inWorkspace(async () => {
      const text = await printed((output) => compareCommand([FIRST, 'last'], {}, output));
      assert.match(text, /stages\.seed\.train\.peakLearningRate +0\.001 +0\.002/);
      assert.match(text, /Runs: no difference\./);
      assert.doesNotMatch(text, /train\.mix/, 'what is the same is left out');
      assert.match(text, /seed +10\.00 +9\.500 \(-0\.500\)/);
      const same = compareCommand(['last', SECOND], {}, { print: () => {}, note: () => {}, isTerminal: false });
      await assert.rejects(same, { reason: 'too-few-runs' });
    }));

  it('bam index --rebuild: says how many runs and events it was made from', () =>
    inWorkspace(async () => {
      assert.match(await printed((output) => indexCommand({}, output)), /is up to date: 2 runs\.$/);
      assert.match(await printed((output) => indexCommand({ rebuild: true }, output)), /from 8 events: 2 runs\.$/);
    }));
});

describe('names of stages on the command line', () => {
  it('are divided by commas, but for those within the name of a variant', () => {
    assert.deepEqual(stageNames('seed, law'), ['seed', 'law']);
    assert.deepEqual(stageNames('bam@seed=2,loadBalance=0.01,batch=8,law@seed=1,seed'), [
      'bam@seed=2,loadBalance=0.01,batch=8',
      'law@seed=1',
      'seed',
    ]);
  });
});
