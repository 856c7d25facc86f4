import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { type ServingListener, ServingSession } from '../../../src/extension/panels/serving-session';
import type { ServingProcess } from '../../../src/launch/serving';
import { type ExplorerMessage, explorerMessage, explorerRequest } from '../../../src/messages/explorer';
import type { GenerateRequest, ServedModel, ServedToken, ServingCommand } from '../../../src/plan/serving';

const MODEL: ServedModel = {
  stage: 'mixture',
  step: 80,
  layers: 1,
  ffnExperts: [{ name: 'seed', kind: 'ffn' }],
  removed: [],
  attentionExperts: ['seed'],
  parameters: 10,
  context: 32,
};

function request(id: number): GenerateRequest {
  return {
    id,
    checkpoint: '/stage/checkpoints/step-80',
    prompt: 'a',
    tokens: 2,
    sampling: { temperature: 0, seed: 1 },
  };
}

function token(position: number): ServedToken {
  return { position, id: 97, text: 'a', isPrompt: position === 0, ffn: [[{ expert: 0, gate: 1 }]], attention: [[]] };
}

/** A session whose processes are played by the test. */
function setUp() {
  const posted: ExplorerMessage[] = [];
  const processes: { listener: ServingListener; commands: ServingCommand[]; isEnded: boolean }[] = [];
  const start = (listener: ServingListener): ServingProcess => {
    const process = { listener, commands: [] as ServingCommand[], isEnded: false };
    processes.push(process);
    return { send: (command) => process.commands.push(command), end: () => (process.isEnded = true) };
  };
  const session = new ServingSession(start, (message) => posted.push(message));
  return { session, posted, processes };
}

const types = (messages: readonly ExplorerMessage[]): string[] => messages.map(({ type }) => type);

describe('the serving session of a routing explorer', () => {
  it('starts its process with the first request, keeps it for the next, and ends it', () => {
    const { session, processes } = setUp();
    assert.equal(processes.length, 0);
    session.generate(request(1), true);
    session.generate(request(2), true);
    assert.equal(processes.length, 1);
    assert.deepEqual(
      processes[0]!.commands.map(({ type }) => type),
      ['generate', 'generate'],
    );
    session.dispose();
    assert.ok(processes[0]!.isEnded);
  });

  it('bundles tokens, and sends what is left before the end', async () => {
    const { session, posted, processes } = setUp();
    session.generate(request(1), true);
    const { onMessage } = processes[0]!.listener;
    onMessage({ type: 'model', id: 1, model: MODEL });
    for (let i = 0; i < 10; i++) onMessage({ type: 'token', id: 1, token: token(i) });
    assert.deepEqual(types(posted), ['model'], 'tokens wait for each other');
    await setTimeout(100);
    assert.deepEqual(types(posted), ['model', 'tokens']);
    onMessage({ type: 'token', id: 1, token: token(10) });
    onMessage({ type: 'done', id: 1, reason: 'length', seconds: 1 });
    assert.deepEqual(types(posted), ['model', 'tokens', 'tokens', 'done']);
    const sizes = posted.flatMap((message) => (message.type === 'tokens' ? message.tokens.length : []));
    assert.deepEqual(sizes, [10, 1]);
    for (const message of posted) assert.ok(explorerMessage.safeParse(message).success, message.type);
  });

  it('sends an answer again, whole, and says which are forgotten', () => {
    const { session, posted, processes } = setUp();
    session.generate(request(1), true);
    session.generate(request(2), false);
    const { onMessage } = processes[0]!.listener;
    onMessage({ type: 'model', id: 1, model: MODEL });
    onMessage({ type: 'token', id: 1, token: token(0) });
    onMessage({ type: 'done', id: 1, reason: 'stop', seconds: 1 });
    posted.length = 0;
    session.recall(1);
    session.recall(2);
    assert.deepEqual(types(posted), ['model', 'tokens', 'done', 'forgotten']);
    for (let id = 3; id < 20; id++) session.generate(request(id), true);
    posted.length = 0;
    session.recall(1);
    assert.deepEqual(types(posted), ['forgotten']);
    session.dispose();
  });

  it('fails what is open when the process ends, and starts another for the next request', () => {
    const { session, posted, processes } = setUp();
    session.generate(request(1), true);
    processes[0]!.listener.onMessage({ type: 'done', id: 1, reason: 'length', seconds: 1 });
    session.generate(request(2), true);
    posted.length = 0;
    processes[0]!.listener.onEnd('killed by SIGKILL');
    assert.deepEqual(posted, [{ type: 'failed', id: 2, message: 'killed by SIGKILL' }]);
    session.generate(request(3), true);
    assert.equal(processes.length, 2);
    session.dispose();
  });

  it('stops only what is not answered yet', () => {
    const { session, processes } = setUp();
    session.generate(request(1), true);
    session.stop(1);
    processes[0]!.listener.onMessage({ type: 'done', id: 1, reason: 'stopped', seconds: 1 });
    session.stop(1);
    assert.deepEqual(
      processes[0]!.commands.map(({ type }) => type),
      ['generate', 'stop'],
    );
    session.dispose();
  });
});

describe('requests of a routing explorer', () => {
  const asked = {
    checkpoint: { run: 'r', stage: 's', step: 1 },
    prompt: 'a',
    tokens: 1,
    sampling: { temperature: 1, seed: 1 },
    stop: [],
  };
  const isGood = (change: object): boolean =>
    explorerRequest.safeParse({ type: 'generate', id: 1, isKept: true, asked: { ...asked, ...change } }).success;

  it('are taken only in their shape', () => {
    assert.ok(isGood({}));
    assert.ok(isGood({ routing: { off: [{ layer: 0, expert: 1 }], force: [] } }));
    assert.ok(!isGood({ checkpoint: '/etc/passwd' }));
    assert.ok(!isGood({ tokens: -1 }));
    assert.ok(!isGood({ sampling: { temperature: -1, seed: 1 } }));
    assert.ok(!isGood({ sampling: { temperature: 1, seed: 1, topP: 0 } }));
    assert.ok(!isGood({ routing: { off: [{ layer: -1, expert: 1 }], force: [] } }));
    assert.ok(!isGood({ stop: [''] }));
  });
});
