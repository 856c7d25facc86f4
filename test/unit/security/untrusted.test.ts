import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Architecture } from '../../../src/architecture/architecture';
import { readArchitecture } from '../../../src/architecture/stored';
import { makePrivate, requireOwn } from '../../../src/base/cache-folder';
import { readJson } from '../../../src/base/files';
import { describeFound } from '../../../src/base/found';
import { isPlainName, staysBelow } from '../../../src/base/plain-name';
import { loadCheckpoint, MODEL_FILE } from '../../../src/checkpoint/checkpoint';
import { readSafetensorsHeader, writeSafetensors } from '../../../src/checkpoint/safetensors';
import { loadTokenizer } from '../../../src/data/tokenizer';
import { MAXIMUM_LINE_LENGTH, readLog } from '../../../src/events/log';
import { inspectModel } from '../../../src/interop/import';
import { gitCommit } from '../../../src/launch/git-commit';
import { leadingOutside } from '../../../src/plan/boundary';
import { checkpointsFolder, readResult } from '../../../src/plan/result';
import { namedExperts } from '../../../src/plan/expert-names';
import { Workspace } from '../../../src/store/layout';
import { readPlan } from '../../../src/store/plan';
import { MIXTURE, parametersOf } from '../offload/mixture';
import { planOf } from '../report/study/support';

const DEEP = '['.repeat(8000) + ']'.repeat(8000);

describe('what others wrote', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bam-untrusted-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, content: string | Uint8Array): string => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  describe('a checkpoint', () => {
    /** A checkpoint with right checksums and these metadata. */
    function checkpoint(metadata: Record<string, string>, name = 'a/checkpoints/step-000000001'): string {
      const path = join(folder, name);
      const parameters = [...parametersOf(MIXTURE)].map(
        ([tensor, values]): [string, { shape: number[]; values: Float32Array }] => [
          tensor,
          { shape: [values.length], values },
        ],
      );
      const file = write(join(name, MODEL_FILE), '');
      writeSafetensors(file, parameters, metadata);
      const bytes = readFileSync(file);
      const digest = { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
      write(
        join(name, 'state.json'),
        JSON.stringify({ training: { step: 1, draws: {}, seconds: 1 }, files: { [MODEL_FILE]: digest } }),
      );
      return path;
    }
    const refused = (metadata: Record<string, string>, said: RegExp): void =>
      assert.throws(() => loadCheckpoint(checkpoint(metadata), 'model'), {
        name: 'CheckpointError',
        reason: 'damaged',
        message: said,
      });
    const architecture = JSON.stringify(MIXTURE);

    it('with an architecture that none can have is refused before anything of that size is made', () => {
      const changed = (change: object): string => JSON.stringify({ ...MIXTURE, ...change });
      refused({ architecture: changed({ layers: 1e9 }) }, /architecture is wrong at layers/);
      refused(
        { architecture: changed({ layers: 10_000, mixture: { ...MIXTURE.mixture, experts: 1e6 } }) },
        /mixture\.experts/,
      );
      refused({ architecture: changed({ heads: 3 }) }, /heads/);
      refused({ architecture: '{' }, /does not say its architecture/);
      refused({ architecture, provenance: '[' }, /where it came from/);
      refused({ architecture, provenance: '{"pruning":{"layers":7}}' }, /where it came from/);
    });

    it('keeps keys of its architecture that only later versions know', () => {
      const later = { ...MIXTURE, later: 1 } as Architecture;
      assert.deepEqual(readArchitecture(JSON.stringify(later)), later);
    });

    it('takes the model that it adapts from a stage beside it and from nowhere else, and never in a circle', () => {
      for (const base of [
        '/etc',
        '../../../../other/checkpoints/step-000000001',
        '../../../../../checkpoints/step-000000001',
        'x',
      ])
        refused({ architecture, base }, /stage beside it/);
      const path = checkpoint({ architecture, base: '../../../a/checkpoints/step-000000001' });
      const circle = { reason: 'no-base', message: /holds adapters/ };
      assert.throws(() => loadCheckpoint(path, 'model'), circle);
    });

    it('has metadata of texts alone', () => {
      const header = Buffer.from('{"__metadata__":{"architecture":[1]}}');
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      const path = write('x.safetensors', Buffer.concat([length, header]));
      assert.throws(() => readSafetensorsHeader(path), { reason: 'damaged', message: /metadata/ });
    });
  });

  it('a tokenizer cannot ask for a place for every id up to a huge one, nor for ids that are none', () => {
    const tokenizer = (vocab: object, added: unknown = []): void => {
      write('t.json', JSON.stringify({ added_tokens: added, model: { type: 'WordLevel', unk_token: 'a', vocab } }));
      loadTokenizer('t.json', folder);
    };
    const error = { name: 'DataError', reason: 'not-a-tokenizer' };
    for (const id of [2 ** 31, -1, 0.5, 'x', null]) {
      assert.throws(() => tokenizer({ a: 0, '</s>': id }), error, String(id));
      assert.throws(() => tokenizer({ a: 0 }, [{ id, content: '</s>' }]), error, String(id));
    }
    assert.throws(() => tokenizer({ a: 0 }, { x: 1 }), error);
    tokenizer({ a: 0, '</s>': 1 });
  });

  it('a tokenizer gives no token that its vocabulary lacks', () => {
    const vocab = [
      ['a', 0],
      ['</s>', 0],
    ];
    write(
      't.json',
      JSON.stringify({ added_tokens: [{ id: 1, content: '</s>' }], model: { type: 'Unigram', unk_id: -1, vocab } }),
    );
    assert.throws(() => loadTokenizer('t.json', folder).encode('xyz'), { name: 'DataError' });
  });

  it('a config.json with lists within lists is refused in words', () => {
    write('m/model.safetensors', readFileSync('test/parity/checkpoints/llama/model.safetensors'));
    const config = readFileSync('test/parity/checkpoints/llama/config.json', 'utf8');
    write('m/config.json', config.replace(/"hidden_size": \d+/, `"hidden_size": ${DEEP}`));
    assert.throws(() => inspectModel(join(folder, 'm'), { context: 16, parallelize: false }), {
      reason: 'unsupported',
    });
    assert.match(describeFound(JSON.parse(DEEP)), /too deep/);
    assert.equal(describeFound('x'.repeat(100)).length, 60);
  });

  it('JSON that is nested too deep is no JSON of ours; brackets in texts do not count', () => {
    assert.throws(() => readJson(write('deep.json', DEEP)), { reason: 'not-json', message: /levels/ });
    const text = { '\\"[[[': '['.repeat(500) };
    assert.deepEqual(readJson(write('flat.json', JSON.stringify(text))), text);
  });

  it('a line of a log without end takes no more memory than the longest that is read', () => {
    const note = '{"sequence":1,"time":1,"type":"note","level":"info","message":"x"}\n';
    const long = 8 * MAXIMUM_LINE_LENGTH;
    const path = write('events.ndjson', Buffer.concat([Buffer.alloc(long, 'a'), Buffer.from(`\n${note}`)]));
    const before = process.memoryUsage().arrayBuffers;
    const { events, offset, problems } = readLog(path);
    assert.equal(events.length, 1);
    assert.equal(offset, long + 1 + note.length);
    assert.match(problems.join(), new RegExp(`byte 0: skipped a line of ${long} bytes`));
    assert.ok(process.memoryUsage().arrayBuffers - before < 40e6 + long, 'besides the file itself');
    writeFileSync(path, Buffer.alloc(long, 'a'));
    assert.deepEqual(readLog(path), { events: [], offset: 0, problems: [] });
  });

  it('keys of stages and folders of checkpoints lead nowhere else', () => {
    for (const key of ['../x', '..', '', 'a/b', 'a\\b', 'C:', '/etc']) {
      assert.throws(() => checkpointsFolder(folder, key), { reason: 'bad-name' });
      assert.equal(readResult(folder, key), undefined);
      assert.ok(!isPlainName(key), key);
    }
    for (const path of ['../x', 'a/../../b', '/etc', '\\\\host\\x', 'C:\\x', 'c:x', 'a\\..\\..\\b'])
      assert.ok(!staysBelow(path), path);
    assert.ok(staysBelow('stages/k/checkpoints/step-000000050') && staysBelow('a b/ü..x'));
    const event = { sequence: 1, time: 1, type: 'checkpoint', stage: 's', step: 1, best: true };
    const lines = ['stages/k', '../../etc'].map((path) => `${JSON.stringify({ ...event, folder: path })}\n`);
    assert.equal(readLog(write('events.ndjson', lines.join(''))).events.length, 1);
  });

  it('a plan is read where every view can show it, and is none where stages start from themselves', () => {
    const workspace = new Workspace(folder);
    const plan = planOf();
    const read = (changed: object): ReturnType<typeof readPlan> => {
      write('.bam/runs/r/plan.json', JSON.stringify(changed));
      return readPlan(workspace, 'r');
    };
    assert.equal(read(plan)?.stages.length, 5);
    const [seed, ...rest] = plan.stages;
    const circle = { ...plan, stages: [{ ...seed, parents: [{ name: 'bam', key: 'k' }] }, ...rest] };
    const bad = [
      circle,
      { ...plan, stages: [{ ...seed, upcycle: { method: 'bam', experts: 'all' } }] },
      { ...plan, stages: [{ ...seed, upcycle: { method: 'sparse', experts: ['a'], copies: 1e9 } }] },
      { ...plan, stages: [{ ...seed, architecture: undefined }] },
      { ...plan, stages: [{ ...seed, name: 7 }] },
      { ...plan, domains: [{}] },
    ];
    for (const one of bad) assert.equal(read(one), undefined);
    assert.deepEqual(namedExperts(read(plan), 'bam').experts, ['seed', 'law']);
  });

  it('a repository cannot make git run its programs', function () {
    try {
      execFileSync('git', ['init', '-q', folder]);
    } catch {
      this.skip();
    }
    const git = (...args: string[]): unknown =>
      execFileSync('git', ['-C', folder, '-c', 'user.name=x', '-c', 'user.email=x@y', ...args]);
    write('a', 'a');
    git('add', 'a');
    git('commit', '-qm', 'a');
    const monitor = write('monitor.sh', `#!/bin/sh\ntouch '${join(folder, 'ran')}'\n`);
    chmodSync(monitor, 0o755);
    git('config', 'core.fsmonitor', monitor);
    assert.match(gitCommit(folder)!, /^[0-9a-f]{40} dirty$/);
    assert.ok(!existsSync(join(folder, 'ran')));
  });

  describe('links', function () {
    before(function () {
      if (process.platform === 'win32') this.skip();
    });

    it('out of the workspace are found: folders on the way, files, parts of a checkpoint, a tokenizer', async () => {
      write('outside/secret.txt', 'x');
      write('space/law/a b ü.txt', 'x');
      write('space/model/config.json', '{}');
      write('space/tok/tokenizer.json', '{}');
      const root = join(folder, 'space');
      const leading = (...paths: string[]): Promise<string[]> => leadingOutside(paths, root, root);
      const inside = ['law/*.txt', 'model', 'tok/tokenizer.json', '!law/no.txt', 'gone/*.txt'];
      assert.deepEqual(await leading(...inside, '../outside/*.txt'), ['../outside/*.txt']);
      symlinkSync(join(folder, 'outside/secret.txt'), join(root, 'law/link.txt'));
      symlinkSync(join(folder, 'outside'), join(root, 'folder'));
      symlinkSync(join(folder, 'outside/secret.txt'), join(root, 'model/model.safetensors'));
      symlinkSync(join(folder, 'outside/secret.txt'), join(root, 'tok/tokenizer_config.json'));
      symlinkSync(join(root, 'law'), join(root, 'same'));
      const out = ['folder/*.txt', 'folder/secret.txt', 'model', 'tok/tokenizer.json'];
      // Of a glob's files those that are links are left out.
      assert.deepEqual(await leading(...out, 'law/*.txt', 'same/a*.txt'), out);
    });
  });

  describe('a shared machine', function () {
    before(function () {
      if (process.platform === 'win32') this.skip();
    });

    it('has a cache folder that its user alone can change', () => {
      const cache = join(folder, 'cache', 'bam-studio');
      makePrivate(cache);
      assert.equal(statSync(cache).mode & 0o777, 0o700);
      chmodSync(cache, 0o777);
      assert.throws(() => requireOwn(cache), { reason: 'unsafe-folder' });
      makePrivate(cache);
      assert.equal(statSync(cache).mode & 0o777, 0o700);
    });

    it('has no programs from a folder that all may write to', () => {
      assert.throws(() => requireOwn(tmpdir()), { reason: 'unsafe-folder', advice: /XDG_CACHE_HOME/ });
    });
  });
});
