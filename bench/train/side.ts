import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** One side of a comparison: a process that answers one JSON object a line, and idles until it is asked. */
export class Side {
  private readonly answers: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess) {
    this.answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static start(command: string, parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): Side {
    const env = { ...environment, ...process.env };
    return new Side(spawn(command, parameters, { stdio: ['pipe', 'pipe', 'ignore'], env }));
  }

  /** Sends an order and waits for its answer. Throws where the process ends instead. */
  async ask<T>(order: object): Promise<T> {
    this.child.stdin!.write(`${JSON.stringify(order)}\n`);
    const { value, done } = (await this.answers.next()) as { value: string; done?: boolean };
    if (done) throw new Error(`${this.child.spawnargs.join(' ')} ended without an answer to ${JSON.stringify(order)}.`);
    return JSON.parse(value) as T;
  }

  end(): void {
    this.child.kill();
  }
}
