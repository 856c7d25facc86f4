import { type ChildProcess, fork } from 'node:child_process';
import { ServingError } from '../base/errors';
import type { Plan } from '../plan/plan';
import type { ServingCommand, ServingMessage } from '../plan/serving';
import { TRAINER_ENVIRONMENT } from './trainer';

export interface ServingOptions {
  /** The bundled process, dist/serve.js. */
  script: string;
  backend?: Plan['backend'] | undefined;
  onMessage: (message: ServingMessage) => void;
  /** Told why the process ended unasked: it crashed, or did not start. */
  onEnd: (message: string) => void;
}

/** A process that answers requests, one after the other. */
export interface ServingProcess {
  send(command: ServingCommand): void;
  /** Ends it, whatever it is at. */
  end(): void;
}

/** So much of what a process prints is kept, in characters, to show it beside a crash. */
const KEPT_OUTPUT = 4096;
const SHOWN_LINES = 5;

/** Starts a serving process. It stands in a process group of its own, so that Ctrl-C in a terminal does not reach it; it ends when this one does. */
export function startServing({ script, backend = 'auto', onMessage, onEnd }: ServingOptions): ServingProcess {
  // In the extension host this program is the editor, which then acts as Node.
  const env = { ...TRAINER_ENVIRONMENT, ...process.env, ELECTRON_RUN_AS_NODE: '1' };
  const child = fork(script, [backend], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env,
    detached: true,
    execArgv: [],
  });
  let isEnded = false;
  let printed = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (printed = (printed + text).slice(-KEPT_OUTPUT)));
  child.on('message', (message) => onMessage(message as ServingMessage));
  const ended = (how: string): void => {
    if (isEnded) return;
    isEnded = true;
    const last = printed.trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
    onEnd(`The process that answers ${how}. Its last output:\n${last || '(none)'}`);
  };
  child.once('error', (error) => ended(`could not start: ${error.message}`));
  // Behind the end of its output, which `exit` is not.
  child.once('close', (code, killedBy) => ended(killedBy ? `was killed by ${killedBy}` : `ended with code ${code}`));
  return {
    send: (command) => send(child, command),
    end: () => {
      isEnded = true;
      child.kill('SIGKILL');
    },
  };
}

/** A process that is ending tells so by itself. */
function send(child: ChildProcess, command: ServingCommand): void {
  if (child.connected) child.send(command, () => undefined);
}

/** What answers a request: all that is said before its end, and how it ended. */
export type Answer = Exclude<ServingMessage, { type: 'failed' }>;

/**
 * Has one process answer one request at a time, and gives what it says as it comes. The last message is `done`. An abort of `signal` asks it to
 * stop, which `done` then says. Throws a `ServingError`: `failed` where the process says why it cannot, `crashed` where it ended.
 */
export class Server {
  private readonly process: ServingProcess;
  private waiting: { onMessage: (message: ServingMessage) => void; onEnd: (message: string) => void } | undefined;
  private ended: string | undefined;

  constructor(options: Pick<ServingOptions, 'script' | 'backend'>) {
    this.process = startServing({
      ...options,
      onMessage: (message) => this.waiting?.onMessage(message),
      onEnd: (message) => {
        this.ended = message;
        this.waiting?.onEnd(message);
      },
    });
  }

  async *ask(command: Exclude<ServingCommand, { type: 'stop' }>, signal: AbortSignal): AsyncGenerator<Answer> {
    const { id } = command.request;
    const messages: ServingMessage[] = [];
    let wake = (): void => undefined;
    this.waiting = {
      onMessage: (message) => {
        if (message.id === id) messages.push(message);
        wake();
      },
      onEnd: () => wake(),
    };
    const stop = (): void => this.process.send({ type: 'stop', id });
    this.process.send(command);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      for (;;) {
        const message = messages.shift();
        if (message?.type === 'failed') throw new ServingError(message.message, { reason: 'failed' });
        if (message) yield message;
        if (message?.type === 'done') return;
        if (!message && this.ended !== undefined) throw new ServingError(this.ended, { reason: 'crashed' });
        if (!messages.length) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.waiting = undefined;
    }
  }

  /** Ends the process. */
  close(): void {
    this.process.end();
  }
}
