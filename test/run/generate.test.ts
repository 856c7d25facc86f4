import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName, listCheckpoints, MODEL_FILE } from '../../src/checkpoint/checkpoint';
import type { ServingMessage } from '../../src/plan/serving';
import { assertSucceeded, type BamResult, outcome, TestWorkspace } from './support';

const SETTINGS = ['seed', 'sums', 'mixture'].flatMap((stage) => ['--set', `stages.${stage}.train.tokens=640`]);

/** The lines of `--json`. */
function messagesOf({ stdout }: BamResult): ServingMessage[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ServingMessage);
}

function tokensOf(messages: readonly ServingMessage[], id = 0) {
  return messages.flatMap((message) => (message.type === 'token' && message.id === id ? [message.token] : []));
}

function endOf(messages: readonly ServingMessage[]) {
  return messages.find((message) => message.type === 'done')!;
}

describe('bam generate', function () {
  this.timeout(120_000);
  let place: TestWorkspace;
  let folder: string;

  before(async () => {
    place = new TestWorkspace();
    assertSucceeded(await place.bam('run', place.file, ...SETTINGS));
    const checkpoints = place.checkpoints('mixture');
    folder = join(checkpoints, checkpointName(listCheckpoints(checkpoints).at(-1)!));
  });
  after(() => place.remove());

  const generate = (...args: string[]): Promise<BamResult> => place.bam('generate', ...args);

  it('prints the prompt and its continuation, the same from the stage and from the folder', async () => {
    const found = await generate('last', 'mixture', '--prompt', 'one', '--tokens', '8');
    assertSucceeded(found);
    assert.match(found.stdout, /^one/);
    assert.match(found.stderr, /8 tokens in [\d.]+ s; the prompt has a perplexity of [\d.]+/);
    const other = await generate(folder, '--prompt', 'one', '--tokens', '8');
    assert.equal(other.stdout, found.stdout);
  });

  it('prints a line for every token with --json: experts by their names, gates, probabilities', async () => {
    const args = ['last', 'mixture', '--prompt', 'one', '--tokens', '5', '--json', '--seed', '3'];
    const messages = messagesOf(await generate(...args, '--off', '0:1', '--force', '1:0'));
    assert.equal(messages[0]!.type, 'model');
    const { model } = messages[0] as Extract<ServingMessage, { type: 'model' }>;
    assert.deepEqual(
      model.ffnExperts.map(({ name }) => name),
      ['seed', 'sums'],
    );
    assert.deepEqual([model.stage, model.layers, model.context], ['mixture', 2, 32]);
    const tokens = tokensOf(messages);
    assert.equal(tokens.length, 8);
    for (const { ffn, attention } of tokens) {
      assert.deepEqual(
        ffn[0]!.map(({ expert }) => expert),
        [0],
      );
      assert.deepEqual(ffn[1], [{ expert: 0, gate: 1 }]);
      assert.deepEqual(
        attention.map((gates) => gates.length),
        [2, 2],
      );
    }
    assert.ok(tokens.slice(1).every(({ logProbability }) => logProbability! < 0));
  });

  it('takes prompts from a file, one after the other', async () => {
    const file = join(place.root, 'prompts.jsonl');
    writeFileSync(file, '{"prompt":"one"}\n\n{"prompt":"two\\nlines"}\n');
    const messages = messagesOf(await generate('last', 'mixture', '--prompts', file, '--tokens', '2', '--json'));
    const texts = [0, 1].map((id) => tokensOf(messages, id).filter(({ isPrompt }) => isPrompt));
    assert.deepEqual(
      texts.map((tokens) => tokens.map(({ text }) => text).join('')),
      ['one', 'two\nlines'],
    );
  });

  it('measures the perplexity of a text, which is that of a prompt where it fits', async () => {
    const file = join(place.root, 'text.txt');
    writeFileSync(file, 'a text of few words');
    const [short, prompt] = [
      await generate('last', 'seed', '--perplexity', file, '--json'),
      await generate('last', 'seed', '--prompt', 'a text of few words', '--tokens', '0', '--json'),
    ].map((result) => (endOf(messagesOf(result)) as { perplexity: number }).perplexity);
    assert.ok(Math.abs(short! / prompt! - 1) < 1e-4, `${short} and ${prompt}`);
    writeFileSync(file, 'a longer text '.repeat(20));
    const long = await generate('last', 'seed', '--perplexity', file);
    assertSucceeded(long);
    assert.match(long.stdout, /^perplexity \d+(\.\d+)?\n$/);
  });

  it('Ctrl-C ends it', async () => {
    const file = join(place.root, 'many.txt');
    writeFileSync(file, 'one\n'.repeat(5000));
    const child = place.start('generate', 'last', 'mixture', '--prompts', file, '--tokens', '20');
    child.stdout!.once('data', () => child.kill('SIGINT'));
    const { code, stderr } = await outcome(child);
    assert.equal(code, 130);
    assert.match(stderr, /Stopping/);
  });

  for (const [what, args, problem] of [
    [
      'a stage that is not there',
      ['last', 'other', '--prompt', 'a'],
      /should have a stage other, but has seed, sums, mixture/,
    ],
    ['a folder that is no checkpoint', ['.', '--prompt', 'a'], /should be the folder of a checkpoint/],
    ['an empty prompt', ['last', 'mixture', '--prompt', ''], /The prompt is empty/],
    ['standard input without a text', ['last', 'mixture'], /The prompt is empty/],
    ['a prompt longer than the context', ['last', 'mixture', '--prompt', 'a'.repeat(33)], /at most 32 tokens/],
    ['an expert of a dense model', ['last', 'seed', '--prompt', 'a', '--off', '0:0'], /The model is dense/],
    [
      'an expert that is written wrong',
      ['last', 'mixture', '--prompt', 'a', '--off', 'law'],
      /LAYER:EXPERT, found "law"/,
    ],
    [
      'a number that is none',
      ['last', 'mixture', '--prompt', 'a', '--top-p', 'x'],
      /--top-p should be a number, found "x"/,
    ],
    ['a file that is not there', ['last', 'mixture', '--prompts', 'no.txt'], /The file no.txt is not there/],
  ] as [string, string[], RegExp][]) {
    it(`says what is wrong with ${what}`, async () => {
      const { code, stderr } = await generate(...args);
      assert.equal(code, 1);
      assert.match(stderr, problem);
    });
  }

  it('says that a checkpoint is damaged, or that a stage is not finished', async () => {
    const file = join(folder, MODEL_FILE);
    const content = readFileSync(file);
    content[content.length - 1]! ^= 1;
    writeFileSync(file, content);
    assert.match((await generate('last', 'mixture', '--prompt', 'a')).stderr, /is damaged: the checksum/);
    rmSync(folder, { recursive: true });
    const { code, stderr } = await generate('last', 'mixture', '--prompt', 'a');
    assert.equal(code, 1);
    assert.match(stderr, /Stage mixture of run .* should be finished, but is not/);
  });
});
