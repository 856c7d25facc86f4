import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const SLURMCTLD = '/usr/sbin/slurmctld';
const SLURMD = '/usr/sbin/slurmd';
const MUNGED = '/usr/sbin/munged';
const STARTING_MILLISECONDS = 20_000;

/** Why no cluster can be started here; `undefined` where one can. */
export function whyNoSlurm(): string | undefined {
  const missing = [SLURMCTLD, SLURMD, MUNGED].find((path) => !existsSync(path));
  if (missing) return `${missing} is not installed (.ci/run installs it)`;
  return process.getuid?.() === 0 ? undefined : 'starting a Slurm cluster takes root';
}

/** A Slurm cluster on this machine: a controller and some nodes, on the loopback interface only, below a folder of its own. */
export class SlurmCluster {
  readonly root = mkdtempSync(join(tmpdir(), 'bam-slurm-'));
  private readonly port = 20_000 + (process.pid % 10_000);

  constructor(private readonly nodes = 3) {}

  /** What Slurm's commands need to find it. */
  get environment(): { SLURM_CONF: string } {
    return { SLURM_CONF: this.path('slurm.conf') };
  }

  async start(): Promise<void> {
    chmodSync(this.root, 0o755);
    for (const folder of ['state', 'log', 'run', 'munge']) mkdirSync(this.path(folder), { mode: 0o755 });
    this.startMunge();
    writeFileSync(this.path('slurm.conf'), this.configuration());
    execFileSync('chown', ['-R', 'slurm:', this.path('state'), this.path('log'), this.path('run')]);
    this.startController();
    for (let node = 1; node <= this.nodes; node++) this.startNode(node);
    await this.until(() => this.call('sinfo', '-h', '-N', '-o', '%T').split('\n').filter(isIdle).length >= this.nodes);
  }

  /** Cancels all jobs and ends the daemons that it started, and no others. */
  async stop(): Promise<void> {
    spawnSync('scancel', ['--quiet', '--full', '--signal=KILL', '--user=root'], this.options);
    spawnSync('scancel', ['--quiet', '--user=root'], this.options);
    await setTimeout(500);
    for (let node = 1; node <= this.nodes; node++) this.end(`slurmd-node${node}`, 'SIGTERM');
    this.end('slurmctld', 'SIGTERM');
    this.end('munged', 'SIGTERM');
    await setTimeout(1000);
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  startController(): void {
    execFileSync(SLURMCTLD, [], this.options);
  }

  startNode(node: number): void {
    mkdirSync(this.path(`spool-node${node}`), { recursive: true });
    execFileSync(SLURMD, ['-N', `node${node}`], this.options);
  }

  /** Kills a daemon, e.g. `slurmctld` or `slurmd-node2`. The jobs of a node go on. */
  kill(daemon: string): void {
    this.end(daemon, 'SIGKILL');
  }

  /** Runs one of Slurm's commands and gives what it printed. */
  call(command: string, ...args: string[]): string {
    return execFileSync(command, args, { ...this.options, encoding: 'utf8', timeout: 20_000 });
  }

  /** The jobs there are, as `id state node`. */
  jobs(): string[] {
    return this.call('squeue', '-h', '-r', '-t', 'all', '-o', '%i %T %N').trim().split('\n').filter(Boolean);
  }

  async until(test: () => boolean, milliseconds = STARTING_MILLISECONDS): Promise<void> {
    for (const end = Date.now() + milliseconds; ; await setTimeout(100)) {
      try {
        if (test()) return;
      } catch (error) {
        if (Date.now() > end) throw error;
      }
      if (Date.now() > end) throw new Error(`waited ${milliseconds / 1000} s in vain for ${String(test)}`);
    }
  }

  private get options(): { env: NodeJS.ProcessEnv; stdio: ['ignore', 'pipe', 'pipe'] } {
    return { env: { ...process.env, ...this.environment }, stdio: ['ignore', 'pipe', 'pipe'] };
  }

  private path(name: string): string {
    return join(this.root, name);
  }

  private startMunge(): void {
    const path = (name: string): string => join(this.path('munge'), name);
    writeFileSync(path('key'), randomBytes(1024), { mode: 0o400 });
    execFileSync('chown', ['-R', 'munge:', this.path('munge')]);
    chmodSync(this.path('munge'), 0o711);
    const user = (option: string): number => Number(execFileSync('id', [option, 'munge'], { encoding: 'utf8' }));
    const files = ['--key-file', path('key'), '--socket', path('socket'), '--log-file', path('log')];
    const more = ['--pid-file', path('pid'), '--seed-file', path('seed'), '--force'];
    spawn(MUNGED, [...files, ...more], { uid: user('-u'), gid: user('-g'), stdio: 'ignore' });
  }

  private configuration(): string {
    const run = this.path('run');
    const nodes = Array.from({ length: this.nodes }, (_, i) => {
      const address = `NodeHostname=${hostname().split('.')[0]} NodeAddr=127.0.0.1 Port=${this.port + 1 + i}`;
      return `NodeName=node${i + 1} ${address} CPUs=4 CoresPerSocket=4 RealMemory=64000 State=UNKNOWN`;
    });
    return `ClusterName=test
SlurmctldHost=${hostname().split('.')[0]}(127.0.0.1)
SlurmctldPort=${this.port}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=${this.path('munge')}/socket
SlurmUser=slurm
SlurmdUser=root
StateSaveLocation=${this.path('state')}
SlurmdSpoolDir=${this.path('spool')}-%n
SlurmctldPidFile=${run}/slurmctld.pid
SlurmdPidFile=${run}/slurmd-%n.pid
SlurmctldLogFile=${this.path('log')}/slurmctld.log
SlurmdLogFile=${this.path('log')}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
CommunicationParameters=NoAddrCache,NoCtldInAddrAny,NoInAddrAny
PropagateResourceLimits=NONE
MpiDefault=none
ReturnToService=2
SlurmdTimeout=3
KillWait=5
MessageTimeout=3
TCPTimeout=2
SlurmdParameters=config_overrides
${nodes.join('\n')}
PartitionName=main Nodes=node[1-${this.nodes}] Default=YES State=UP
`;
  }

  private end(daemon: string, signal: NodeJS.Signals): void {
    const file = daemon === 'munged' ? join(this.path('munge'), 'pid') : join(this.path('run'), `${daemon}.pid`);
    if (!existsSync(file)) return;
    const pid = Number(readFileSync(file, 'utf8'));
    const program = `/proc/${pid}/comm`;
    // A daemon that is gone may have left its file, and its number may be another process's.
    if (!existsSync(program) || !daemon.startsWith(readFileSync(program, 'utf8').trim())) return;
    process.kill(pid, signal);
  }
}

function isIdle(state: string): boolean {
  return state === 'idle';
}
