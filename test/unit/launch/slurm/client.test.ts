import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseJobs, SlurmClient } from '../../../../src/launch/slurm/client';
import { batchJob, limitSeconds, quoted, ranges } from '../../../../src/launch/slurm/script';
import { describeEnd, describeReason, phaseOf } from '../../../../src/launch/slurm/states';

const CONFIG = { gpus: 0, cpus: 4, setup: '', extra: [] };
const JOB = {
  config: CONFIG,
  name: 'bam-law',
  tag: 'bam-x-1',
  folder: '/data/50% done/it’s',
  trainerScript: '/opt/trainer.js',
  node: '/usr/bin/node',
  environment: {},
};

describe('calls of Slurm', () => {
  const failing = (stderr: string): SlurmClient => new SlurmClient(async () => ({ code: 1, stdout: '', stderr }));

  it('name the cause of a failure and what helps', async () => {
    const said: [string, string][] = [
      ['sbatch: error: invalid partition specified: gpu', 'partition'],
      [
        'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)',
        'controller-down',
      ],
      ['sbatch: error: Batch job submission failed: Requested node configuration is not available', 'too-much'],
      [
        'sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)',
        'too-long',
      ],
      [
        'sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy',
        'limit',
      ],
      [
        'sbatch: error: Batch job submission failed: I/O error writing script/environment to file: Disk quota exceeded',
        'no-space',
      ],
      ['sbatch: error: Batch job submission failed: Invalid job array specification', 'array'],
      [
        'sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified',
        'account',
      ],
      ['sbatch: error: something new', 'slurm'],
    ];
    for (const [stderr, reason] of said) {
      await assert.rejects(
        failing(stderr).submit({ arguments: [], script: '' }),
        (error: Error & { advice?: string }) => {
          assert.equal((error as Error & { reason?: string }).reason, reason, stderr);
          assert.ok(error.message.includes(stderr.split('\n')[0]!) && error.advice);
          return true;
        },
      );
    }
  });

  it('fail in plain words on a machine without Slurm', async () => {
    const path = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      await assert.rejects(new SlurmClient().jobs(), { reason: 'no-slurm', message: /squeue is not on the path/ });
    } finally {
      process.env.PATH = path;
    }
  });

  it('read jobs, whatever their comments hold', () => {
    const text = '9_1|PENDING|Resources||1764097200|a|b\n12|RUNNING|None|node[1-2]|N/A|bam-x-1\n\nnoise\n';
    assert.deepEqual(parseJobs(text), [
      { id: '9_1', state: 'PENDING', reason: 'Resources', nodes: '', tag: 'a|b', start: 1764097200 },
      { id: '12', state: 'RUNNING', reason: 'None', nodes: 'node[1-2]', tag: 'bam-x-1' },
    ]);
  });

  it('take the id that sbatch prints, with or without a cluster, and nothing else', async () => {
    const saying = (stdout: string): Promise<string> =>
      new SlurmClient(async () => ({ code: 0, stdout, stderr: '' })).submit({ arguments: [], script: '' });
    assert.equal(await saying('17\n'), '17');
    assert.equal(await saying('17;lab\n'), '17');
    await assert.rejects(saying('Welcome!\n'), /should have printed the id of a job/);
  });
});

describe('states of Slurm', () => {
  it('mean something for a stage', () => {
    assert.equal(phaseOf('PENDING', 'Priority'), 'waiting');
    assert.equal(phaseOf('REQUEUE_HOLD', 'JobHeldUser'), 'waiting');
    assert.equal(phaseOf('COMPLETING', 'None'), 'running');
    assert.equal(phaseOf('CANCELLED', 'DependencyNeverSatisfied'), 'parent-failed');
    assert.equal(phaseOf('PENDING', 'DependencyNeverSatisfied'), 'parent-failed');
    assert.equal(phaseOf('NODE_FAIL', 'None'), 'again');
    assert.equal(phaseOf('OUT_OF_MEMORY', 'OutOfMemory'), 'failed');
  });

  it('are told in plain words', () => {
    assert.equal(describeReason('Priority'), 'waits for priority');
    assert.equal(describeReason('Resources'), 'waits for resources');
    assert.equal(
      describeReason('QOSMaxCpuPerUserLimit'),
      'waits: a limit of its account is reached (QOSMaxCpuPerUserLimit)',
    );
    assert.match(describeReason('ReqNodeNotAvail, UnavailableNodes:node3'), /not available .*node3/);
    assert.equal(describeReason('Weather'), 'waits (Weather)');
    assert.match(describeEnd('OUT_OF_MEMORY'), /more memory/);
  });
});

describe('the batch script', () => {
  it('asks for what the file says', () => {
    const config = {
      ...CONFIG,
      partition: 'gpu',
      gpus: 'a100:2',
      memory: '16G',
      time: '2:00:00',
      extra: ['--account=lab'],
    };
    const { arguments: args } = batchJob({ ...JOB, config, tasks: [0, 1, 2, 7], dependency: 'afterok:5' });
    for (const one of ['--partition=gpu', '--gres=gpu:a100:2', '--mem=16G', '--time=2:00:00', '--account=lab']) {
      assert.ok(args.includes(one), one);
    }
    assert.ok(args.includes('--array=0-2,7') && args.includes('--dependency=afterok:5'));
    assert.ok(args.includes('--kill-on-invalid-dep=yes') && args.includes('--comment=bam-x-1'));
    assert.ok(args.includes('--output=/data/50%% done/it’s/slurm-%a.txt'));
    assert.equal(ranges([4]), '4');
  });

  it('has Slurm ask for a checkpoint in time', () => {
    const signal = (time?: string | number): string | undefined =>
      batchJob({ ...JOB, config: { ...CONFIG, ...(time !== undefined && { time }) } }).arguments.find((one) =>
        one.startsWith('--signal'),
      );
    assert.equal(signal(), '--signal=B:USR1@120');
    assert.equal(signal(1), '--signal=B:USR1@12');
    assert.equal(signal('24:00:00'), '--signal=B:USR1@120');
    assert.deepEqual(
      ['90', '90:30', '1:30:00', '2-3', '2-3:15', '2-3:15:10'].map(limitSeconds),
      [5400, 5430, 5400, 183600, 184500, 184510],
    );
  });

  it('quotes every text', () => {
    for (const text of [`it's`, '$(touch x)', '`id`', 'a "b"\nc', '\\', "''"]) {
      assert.equal(execFileSync('bash', ['-c', `printf %s ${quoted(text)}`], { encoding: 'utf8' }), text);
    }
  });
});

describe('the batch script in bash', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bam it's-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs it with a trainer, and a signal that the trainer asks for; gives its exit code and what scontrol was called with. */
  function runScript(signal: string, code: number, environment: Record<string, string> = {}) {
    const trainerScript = join(folder, 'trainer.js');
    writeFileSync(
      trainerScript,
      `process.on('SIGTERM', () => setTimeout(() => process.exit(${code}), 50));
       process.stdout.write(JSON.stringify(process.argv.slice(2)) + process.env.GREETING);
       ${signal ? `setTimeout(() => process.kill(process.ppid, '${signal}'), 20); setInterval(() => 0, 99)` : `process.exit(${code})`}`,
    );
    const output = join(folder, 'out put.txt');
    for (const task of [0, 7]) writeFileSync(join(folder, `task-${task}`), `/orders/${task}.json\n${output}\n`);
    writeFileSync(output, '');
    writeFileSync(join(folder, 'scontrol'), `#!/bin/sh\necho "scontrol $*"\n`, { mode: 0o755 });
    const config = { ...CONFIG, setup: 'export GREETING=hello' };
    const { script } = batchJob({ ...JOB, config, folder, trainerScript, node: process.execPath });
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, SLURM_JOB_ID: '40', ...environment };
    const { status } = spawnSync('bash', [], { input: script, env });
    return { code: status, stdout: readFileSync(output, 'utf8') };
  }

  it('runs the trainer with its order, and ends with its code', () => {
    const { code, stdout } = runScript('', 1);
    assert.equal(code, 1);
    assert.equal(stdout, `${JSON.stringify(['/orders/0.json'])}hello`);
    assert.match(runScript('', 0, { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_JOB_ID: '40' }).stdout, /orders\/7\.json/);
  });

  it('goes back into the queue where the time limit stopped the trainer, of an array the task alone', () => {
    const alone = runScript('SIGUSR1', 3);
    assert.equal(alone.code, 3);
    assert.match(alone.stdout, /scontrol requeue 40$/m);
    const task = runScript('SIGUSR1', 3, { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_JOB_ID: '40' });
    assert.match(task.stdout, /scontrol requeue 40_7$/m);
    assert.doesNotMatch(runScript('SIGUSR1', 0).stdout, /requeue/, 'it just finished');
  });

  it('ends where it is cancelled', () => {
    const { code, stdout } = runScript('SIGTERM', 3);
    assert.equal(code, 3);
    assert.doesNotMatch(stdout, /requeue/);
  });
});
