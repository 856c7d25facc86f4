import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** The bundled `bam` command line of an installed extension. */
export function programPath(extensionPath: string): string {
  return join(extensionPath, 'dist', 'cli.js');
}

/** The bundled program that generates text with a checkpoint. */
export function servingPath(extensionPath: string): string {
  return join(extensionPath, 'dist', 'serve.js');
}

export interface ProgramOptions {
  /** dist/cli.js. */
  program: string;
  args: readonly string[];
  cwd?: string;
  signal?: AbortSignal;
  /** Called for each line of progress. */
  onLine?: (line: string) => void;
}

/**
 * Runs the `bam` command line to its end and returns what it printed. Work that loads the engine is done by it, so that nothing in the
 * extension host does. Throws an `Error` with the last lines of its messages where it fails.
 */
export async function runProgram({ program, args, cwd, signal, onLine }: ProgramOptions): Promise<string> {
  // The editor's own executable runs as plain Node with this variable.
  const env = { ...process.env, ELECTRON_RUN_AS_NODE: '1' };
  const child = spawn(process.execPath, [program, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', stop);
  let printed = '';
  let noted = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    noted = (noted + text).slice(-10_000);
    for (const line of text.split('\n')) if (line.trim()) onLine?.(line.trim());
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code === 0) return printed;
    const lines = noted.trim().split('\n').slice(-6).join('\n');
    throw new Error(lines || `bam ${args.join(' ')} ended with code ${code}`);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
