import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Home } from './home';

/** The clone that is tested. */
export const ROOT = join(__dirname, '..', '..', '..');

const ENTRY = join(ROOT, 'node_modules/.cache/code-server/node_modules/code-server/out/node/entry.js');

/** What is set for every test: nothing that moves, asks, or goes to the network. */
const QUIET = {
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.reduceMotion': 'on',
  'chat.commandCenter.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'npm.autoDetect': 'off',
  'typescript.disableAutomaticTypeAcquisition': true,
};

/** Settings of the user, by name. */
export type Settings = Record<string, unknown>;

/** VS Code's workbench as a server of its own, in the home given; `start` returns when it answers. */
export class CodeServer {
  private log = '';
  private readonly killAtExit = (): void => this.signal('SIGKILL');

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {
    child.stdout!.on('data', (chunk) => (this.log += String(chunk)));
    child.stderr!.on('data', (chunk) => (this.log += String(chunk)));
    process.once('exit', this.killAtExit);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, this.endProcess);
  }

  /** Starts it on a free port with these settings over the quiet ones; `env` reaches the extension host. */
  static async start(home: Home, settings: Settings, env: Record<string, string>): Promise<CodeServer> {
    writeSettings(home, settings);
    const port = await freePort();
    const args = [...commonArguments(home), '--bind-addr', `127.0.0.1:${port}`, '--auth', 'none', ...QUIET_ARGUMENTS];
    const child = spawn(process.execPath, [...args, '--ignore-last-opened'], {
      cwd: home.folder,
      // A process group of its own, so that the extension host and all that it starts end with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...home.environment, ...env, EXTENSIONS_GALLERY: '{"serviceUrl":""}' },
    });
    const server = new CodeServer(child, port);
    await server.answers();
    return server;
  }

  /** The last lines that it wrote, for the message of a failed test. */
  get output(): string {
    return this.log.split('\n').slice(-40).join('\n');
  }

  /** The address of the workbench with a folder opened; `payload` is VS Code's list of start options. */
  address(folder: string, payload: [string, string][]): string {
    const query = new URLSearchParams({ folder, payload: JSON.stringify(payload) });
    return `http://127.0.0.1:${this.port}/?${query}`;
  }

  /** How the workbench names a file of this machine. */
  uri(path: string): string {
    return `vscode-remote://127.0.0.1:${this.port}${path}`;
  }

  /** Ends it and every process that it started. */
  async stop(): Promise<void> {
    process.off('exit', this.killAtExit);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.off(signal, this.endProcess);
    const gone = this.child.exitCode === null ? once(this.child, 'exit') : Promise.resolve();
    this.signal('SIGTERM');
    await Promise.race([gone, setTimeout(5000, undefined, { ref: false })]);
    this.signal('SIGKILL');
  }

  private readonly endProcess = (signal: NodeJS.Signals): void => {
    process.exit(signal === 'SIGTERM' ? 143 : 129);
  };

  private signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.child.pid!, signal);
    } catch {
      // The group is gone already.
    }
  }

  private async answers(): Promise<void> {
    for (const end = Date.now() + 60_000; Date.now() < end; await setTimeout(100)) {
      if (this.child.exitCode !== null) break;
      const reply = await fetch(`http://127.0.0.1:${this.port}/healthz`).catch(() => undefined);
      if (reply?.ok) return;
    }
    await this.stop();
    throw new Error(`code-server did not start within a minute. It wrote:\n${this.output}`);
  }
}

const QUIET_ARGUMENTS = [
  '--disable-telemetry',
  '--disable-update-check',
  '--disable-workspace-trust',
  '--disable-getting-started-override',
  '--disable-proxy',
];

/** Installs a packed extension for the code-server that is started later in the same home. */
export async function installExtension(home: Home, vsix: string): Promise<void> {
  writeSettings(home, {});
  const args = [...commonArguments(home), '--install-extension', vsix];
  await promisify(execFile)(process.execPath, args, { cwd: home.folder, env: home.environment });
}

function commonArguments(home: Home): string[] {
  const config = home.path('code-server.yaml');
  writeFileSync(config, '');
  const folders = ['--user-data-dir', home.path('code'), '--extensions-dir', home.path('extensions')];
  return [ENTRY, '--config', config, ...folders];
}

function writeSettings(home: Home, settings: Settings): void {
  const folder = home.path('code', 'User');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ ...QUIET, ...settings }, null, 2));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
