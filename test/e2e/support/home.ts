import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runtimeFolder } from '../../../src/engine/runtime/folder';

/** Variables of a surrounding VS Code, which would send a program started in its terminal back to that window. */
const FOREIGN = /^(VSCODE_|ELECTRON_)/;

/** A temporary home for programs of a test: settings, caches and sockets land there and never in the user's own. */
export class Home {
  readonly folder = mkdtempSync(join(tmpdir(), 'bam-home-'));
  readonly environment: Record<string, string>;
  private readonly removeAtExit = (): void => this.remove();

  constructor() {
    const temporary = this.path('tmp');
    mkdirSync(temporary);
    this.environment = {
      ...ownVariables(),
      HOME: this.folder,
      TMPDIR: temporary,
      XDG_RUNTIME_DIR: temporary,
      XDG_CACHE_HOME: this.path('cache'),
      XDG_CONFIG_HOME: this.path('config'),
      XDG_DATA_HOME: this.path('data'),
      // The one thing of the user's that counts: without it every training would fall back to wasm.
      BAM_RUNTIME_FOLDER: runtimeFolder(),
    };
    process.once('exit', this.removeAtExit);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Ends every process that lives in this home, a training that outlives its window among them, and deletes it. */
  remove(): void {
    for (const pid of this.inhabitants()) end(pid);
    process.off('exit', this.removeAtExit);
    // A process that is just ending may still write a file.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  private inhabitants(): number[] {
    const processes = readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0);
    return processes.filter((pid) => environmentOf(pid).includes(`HOME=${this.folder}`));
  }
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    // It ended meanwhile, or is another user's.
    return [];
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}

function ownVariables(): Record<string, string> {
  const own = Object.entries(process.env).filter(([name, value]) => value !== undefined && !FOREIGN.test(name));
  return Object.fromEntries(own) as Record<string, string>;
}
