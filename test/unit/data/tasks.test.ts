import assert from 'node:assert/strict';
import type { TaskConfig } from '../../../src/config/schema';
import { loadTask, type MultipleChoiceExample, type Task } from '../../../src/data/tasks';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { byteLevelTokenizer, Workspace } from './workspace';

const END = 256;
const bytes = (text: string): number[] => [...Buffer.from(text)];

describe('loadTask', () => {
  let workspace: Workspace;
  beforeEach(() => (workspace = new Workspace()));
  afterEach(() => workspace.remove());

  function load(
    lines: unknown[],
    config: Partial<TaskConfig> = {},
    { context = 64, name = 'bytes' } = {},
  ): Promise<Task> {
    workspace.write({ 'task.jsonl': lines.map((line) => `${JSON.stringify(line)}\n`).join('') });
    const tokenizer = loadTokenizer(name, workspace.folder);
    const whole = {
      file: 'task.jsonl',
      kind: 'exact-match',
      prompt: 'prompt',
      answer: 'answer',
      maximum: 200,
    } as const;
    return loadTask('quiz', { ...whole, ...config }, { folder: workspace.folder, tokenizer, context });
  }

  const CHOICES = { kind: 'multiple-choice', choices: 'choices' } as const;

  it('tokenizes prompts behind an end of document, and takes numbers for answers', async () => {
    const { examples } = await load([
      { prompt: '1+1=', answer: 2 },
      { prompt: 'Capital of France:', answer: ' Paris ' },
    ]);
    assert.deepEqual(examples, [
      { prompt: [END, ...bytes('1+1=')], answer: '2' },
      { prompt: [END, ...bytes('Capital of France:')], answer: 'Paris' },
    ]);
  });

  it('scores choices behind the prompt, and knows the right one by index or by text', async () => {
    const row = { prompt: 'a', choices: ['bé', 'c'] };
    const { examples } = await load(
      [
        { ...row, answer: 1 },
        { ...row, answer: 'bé' },
      ],
      CHOICES,
    );
    const choices = [
      { tokens: [END, ...bytes('abé')], bytes: 3 },
      { tokens: [END, ...bytes('ac')], bytes: 1 },
    ];
    assert.deepEqual(examples, [
      { choices, shared: 2, right: 1 },
      { choices, shared: 2, right: 0 },
    ]);
  });

  it('gives a token that joins prompt and choice to the choice, for all choices alike', async () => {
    workspace.write({ 'tokenizer.json': JSON.stringify(byteLevelTokenizer()) });
    const row = { prompt: 'x t', choices: ['he', 'a'], answer: 0 };
    const { examples } = await load([row], CHOICES, { name: 'tokenizer.json' });
    const { choices, shared } = (examples as MultipleChoiceExample[])[0]!;
    // " the" is one token; so the prompt's own " t" is scored in both.
    const [joined, plain] = choices.map(({ tokens }) => tokens);
    assert.equal(shared, 2, `end of document and x: ${JSON.stringify(choices)}`);
    assert.deepEqual(joined!.slice(0, 2), plain!.slice(0, 2));
    assert.equal(joined!.length, 3);
  });

  it('reads the first examples only, and has a fingerprint of what it read', async () => {
    const rows = [1, 2, 3].map((i) => ({ prompt: `${i}=`, answer: i }));
    const two = await load(rows, { maximum: 2 });
    assert.equal(two.examples.length, 2);
    assert.equal(
      (await load([...rows.slice(0, 2), { prompt: 'x', answer: 'y' }], { maximum: 2 })).fingerprint,
      two.fingerprint,
    );
    const renamed = rows.map(({ prompt, answer }) => ({ question: prompt, answer }));
    assert.equal((await load(renamed, { maximum: 2, prompt: 'question' })).fingerprint, two.fingerprint);
    assert.notEqual((await load(rows)).fingerprint, two.fingerprint);
    assert.notEqual(
      (
        await load([
          { prompt: '1=', answer: 1 },
          { prompt: '2=', answer: 3 },
        ])
      ).fingerprint,
      two.fingerprint,
    );
  });

  it('says file and line of what it cannot use', async () => {
    const good = { prompt: 'a', answer: 'b' };
    await assert.rejects(
      load([good, { prompt: 'a' }]),
      /task\.jsonl:2: expected text in the field `answer`, found nothing/,
    );
    await assert.rejects(load([{ prompt: '', answer: 'b' }]), { reason: 'bad-example' });
    await assert.rejects(
      load([{ ...good, choices: ['b'] }], CHOICES),
      /a list of two texts or more in the field `choices`/,
    );
    for (const answer of [2, -1, 0.5, 'c', null]) {
      const row = { prompt: 'a', choices: ['x', 'b'], answer };
      await assert.rejects(load([row], CHOICES), /one of the choices in the field `answer`, or its index from 0/);
    }
    await assert.rejects(load([]), { reason: 'no-examples' });
    await assert.rejects(load([good], { file: 'nothing.jsonl' }), { reason: 'no-task-file' });
  });

  it('refuses what does not fit into the context, to the token', async () => {
    const row = { prompt: 'abcd', answer: 'efg' };
    assert.equal((await load([row], {}, { context: 8 })).examples.length, 1);
    await assert.rejects(load([row], {}, { context: 7 }), /context of 7 tokens, and need 8/);
    const quiz = { prompt: 'abcd', choices: ['ef', 'g'], answer: 0 };
    assert.equal((await load([quiz], CHOICES, { context: 6 })).examples.length, 1);
    await assert.rejects(load([quiz], CHOICES, { context: 5 }), { reason: 'example-too-long' });
  });
});
