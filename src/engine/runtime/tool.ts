import { spawn } from 'node:child_process';
import { parse } from 'node:path';
import { EngineError, hasCode } from '../../base/errors';

/** How a program ended. `code` is 127 where there is no such program, as in a shell. */
export interface ToolResult {
  code: number;
  /** Its standard output and standard error together, the last 64 kB. */
  output: string;
}

export interface ToolOptions {
  signal?: AbortSignal | undefined;
  /** Added to this process's environment. */
  env?: Record<string, string>;
  onLine?: (line: string) => void;
}

const KEPT_OUTPUT = 65_536;

/**
 * Runs a program without a shell and waits for its end; it is ended when the signal fires.
 * Throws an `EngineError` (reason `cancelled`) after that; a program that fails or is not there is a result, not an error.
 */
export function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  throwIfCancelled(options.signal);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      // Not where the user is: Python would take a pip.py that lies there for pip.
      cwd: parse(process.execPath).root,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      ...(options.signal && { signal: options.signal }),
    });
    let output = '';
    let missing = false;
    const take = lineReader(options.onLine);
    const read = (chunk: string): void => {
      output = (output + chunk).slice(-KEPT_OUTPUT);
      take(chunk);
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.on('error', (error) => {
      if (hasCode(error, 'ENOENT') || hasCode(error, 'EACCES')) missing = true;
      else if (!options.signal?.aborted) reject(error);
    });
    child.on('close', (code, killedBy) => {
      if (options.signal?.aborted) reject(cancelled());
      else if (missing) resolve({ code: 127, output: `${command}: not found` });
      else resolve({ code: code ?? 1, output: killedBy ? `${output}\nEnded by ${killedBy}.` : output });
    });
  });
}

/** Cuts a stream of text into lines. */
function lineReader(onLine: ((line: string) => void) | undefined): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    if (!onLine) return;
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop()!;
    lines.forEach(onLine);
  };
}

/** Throws an `EngineError` (reason `cancelled`) once the signal has fired. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled();
}

function cancelled(): EngineError {
  return new EngineError('The installation of the native runtime was cancelled.', {
    reason: 'cancelled',
    advice: 'Run `bam runtime install` to go on from the last finished step.',
  });
}

/** The end of a program's output, where it says what went wrong. */
export function lastLines(output: string, count = 8): string {
  return output.trim().split(/\r?\n/).slice(-count).join('\n');
}
