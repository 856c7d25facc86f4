import { explainError } from '../base/errors';

/** Where commands print. */
export interface Output {
  print(text: string): void;
  /** For progress, warnings and errors, so that standard output stays clean for `--json` and pipes. */
  note(text: string): void;
  /** True where a line can be rewritten in place. */
  readonly isTerminal: boolean;
}

/** Where a command also prints text that comes in pieces. */
export interface StreamOutput extends Output {
  write(text: string): void;
}

export const processOutput: StreamOutput = {
  write: (text) => void process.stdout.write(text),
  print: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
  isTerminal: process.stderr.isTTY === true,
};

/** Runs a command's work, whose result is the exit code if it is a number; an error is printed and becomes exit code 1. */
export async function guarded(output: Output, work: () => Promise<unknown>): Promise<void> {
  try {
    const result = await work();
    process.exitCode = typeof result === 'number' ? result : 0;
  } catch (error) {
    output.note(`bam: ${explainError(error)}`);
    process.exitCode = 1;
  }
}

/** Prints a value as JSON, the same way for every command. */
export function printJson(output: Output, value: unknown): void {
  output.print(JSON.stringify(value, undefined, 2));
}

/** An abort signal that Ctrl-C and a polite kill set, after `message` was printed; a second Ctrl-C ends the process at once. */
export function interruptSignal(output: Output, message = 'Stopping: saving a checkpoint first.'): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    output.note(`${message} Press Ctrl-C again to quit at once.`);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}
