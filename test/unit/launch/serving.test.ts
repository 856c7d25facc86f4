import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, Server } from '../../../src/launch/serving';
import type { ServingCommand } from '../../../src/plan/serving';

/** Answers as a serving process does: a token, then an end; what it does with a prompt, the prompt says. */
const SCRIPT = `
process.on('message', (command) => {
  if (command.type === 'stop') return process.send({ type: 'done', id: command.id, reason: 'stopped', seconds: 0 });
  const { id, prompt } = command.request;
  process.send({ type: 'token', id, token: { text: prompt } });
  if (prompt === 'crash') {
    console.error('first\\nlast words');
    process.exit(7);
  }
  if (prompt === 'fail') process.send({ type: 'failed', id, message: 'It cannot.' });
  if (prompt === 'go') process.send({ type: 'done', id, reason: 'length', seconds: 1 });
});
process.on('disconnect', () => process.exit(0));
`;

describe('a server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bam-serve-'));
  const script = join(folder, 'serve.js');
  let server: Server;
  beforeEach(() => {
    writeFileSync(script, SCRIPT);
    server = new Server({ script });
  });
  afterEach(() => server.close());
  after(() => rmSync(folder, { recursive: true }));

  function ask(id: number, prompt: string, signal = new AbortController().signal): AsyncGenerator<Answer> {
    const request = { id, prompt, checkpoint: '/', tokens: 1, sampling: { temperature: 0, seed: 1 } };
    return server.ask({ type: 'generate', request } satisfies ServingCommand, signal);
  }

  async function typesOf(answers: AsyncGenerator<Answer>): Promise<string[]> {
    const types: string[] = [];
    for await (const { type } of answers) types.push(type);
    return types;
  }

  it('gives what is said up to the end, one request after the other', async () => {
    assert.deepEqual(await typesOf(ask(1, 'go')), ['token', 'done']);
    assert.deepEqual(await typesOf(ask(2, 'go')), ['token', 'done']);
  });

  it('throws why a request failed, and goes on', async () => {
    await assert.rejects(typesOf(ask(1, 'fail')), { name: 'ServingError', reason: 'failed', message: 'It cannot.' });
    assert.deepEqual(await typesOf(ask(2, 'go')), ['token', 'done']);
  });

  it('throws with the last words of a process that ended, then and whenever it is asked again', async () => {
    const error = { name: 'ServingError', reason: 'crashed', message: /ended with code 7.*\nfirst\nlast words$/s };
    await assert.rejects(typesOf(ask(1, 'crash')), error);
    await assert.rejects(typesOf(ask(2, 'go')), error);
  });

  it('asks to stop when the signal says so', async () => {
    const stopping = new AbortController();
    const types: string[] = [];
    for await (const answer of ask(1, 'wait', stopping.signal)) {
      types.push(answer.type === 'done' ? answer.reason : answer.type);
      stopping.abort();
    }
    assert.deepEqual(types, ['token', 'stopped']);
  });

  it('says that there is no such program', async () => {
    rmSync(script);
    const broken = new Server({ script });
    const answers = broken.ask(
      { type: 'perplexity', request: { id: 1, checkpoint: '/', text: 'a' } },
      new AbortController().signal,
    );
    await assert.rejects(typesOf(answers), { reason: 'crashed', message: /MODULE_NOT_FOUND/ });
  });
});
