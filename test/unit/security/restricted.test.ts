import assert from 'node:assert/strict';
import childProcess from 'node:child_process';
import Module from 'node:module';
import type { Launching } from '../../../src/extension/runs/launching';
import type * as Runtime from '../../../src/extension/runs/runtime';
import type * as Trust from '../../../src/extension/runs/trust';

/** Stands for the whole of the editor: every function gives the same again, and the workspace is not trusted. */
function untrustedEditor(): object {
  const anything: object = new Proxy(function () {}, {
    get: (_target, key) => (key === 'then' || key === Symbol.toPrimitive ? undefined : anything),
    apply: () => anything,
    construct: () => anything,
  });
  const names = [
    'window',
    'commands',
    'languages',
    'Uri',
    'EventEmitter',
    'ProgressLocation',
    'ViewColumn',
    'TreeItem',
  ];
  const workspace = new Proxy({}, { get: (_target, key) => (key === 'isTrusted' ? false : anything) });
  return {
    ...Object.fromEntries(names.map((name) => [name, anything])),
    ...{ workspace, l10n: { t: (text: string) => text } },
  };
}

const loader = Module as unknown as { _load: (name: string, ...rest: unknown[]) => unknown };

describe('an untrusted workspace', () => {
  const { _load: load } = loader;
  const { spawn, spawnSync } = childProcess;
  let started: unknown[] = [];
  let launching: Launching;
  let runtime: typeof Runtime;

  before(() => {
    const editor = untrustedEditor();
    loader._load = (name, ...rest) => (name === 'vscode' ? editor : load.call(Module, name, ...rest));
    Object.assign(childProcess, {
      spawn: (...args: unknown[]) => started.push(args),
      spawnSync: (...args: unknown[]) => started.push(args),
    });
    /* eslint-disable @typescript-eslint/no-require-imports -- behind the stand-in for the editor */
    const { Launching } = require('../../../src/extension/runs/launching') as {
      Launching: typeof launching.constructor;
    };
    runtime = require('../../../src/extension/runs/runtime') as typeof Runtime;
    const { requireTrust } = require('../../../src/extension/runs/trust') as typeof Trust;
    /* eslint-enable */
    assert.throws(requireTrust, /not trusted/);
    launching = new (Launching as new (...args: unknown[]) => Launching)('/extension', {});
  });
  after(() => {
    loader._load = load;
    Object.assign(childProcess, { spawn, spawnSync });
  });
  beforeEach(() => (started = []));

  const target = { project: { workspace: {} }, run: { id: 'r', file: null } } as never;
  const work: Record<string, () => Promise<unknown>> = {
    run: () => launching.run({ file: '/work/x.bam.yaml' }),
    resume: () => launching.resume(target),
    stop: () => launching.stop(target),
    'install the runtime': () => runtime.chooseAndInstall('/extension/dist/cli.js'),
    'ask the runtime': () => runtime.showRuntime('/extension/dist/cli.js'),
  };
  for (const [name, start] of Object.entries(work)) {
    it(`starts no process to ${name}`, async () => {
      await assert.rejects(start(), /not trusted/);
      assert.deepEqual(started, []);
    });
  }
});
