import type { Asked, ExplorerRequest } from '../../src/messages/explorer';
import { type Answer, type AnswerMessage, answerTo, isOpen, type Side, take } from './answers';

/** A text that is only read, and who waits for it. */
interface Reading {
  answer: Answer;
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

/** What is asked of the extension, and what came back so far. */
export class Asking {
  /** The answers that are shown, in the order of the sides. */
  answers: Answer[] = [];
  private readonly readings = new Map<number, Reading>();

  constructor(
    private readonly send: (request: ExplorerRequest) => void,
    private readonly nextId: () => number,
  ) {}

  /** Shows answers to these requests. What is answered, or being answered, already is not asked again; what is no longer wanted stops. */
  generate(wanted: readonly { side: Side; asked: Asked }[]): void {
    const before = this.answers;
    const next = wanted.map(({ side, asked }) => {
      const known = answerTo(asked, before);
      return known ? { ...known, side } : this.ask(side, asked);
    });
    for (const answer of before) {
      if (isOpen(answer) && !next.some(({ id }) => id === answer.id)) this.send({ type: 'stop', id: answer.id });
    }
    this.answers = next;
  }

  /** Ends whatever is being answered for show. */
  stop(): void {
    for (const answer of this.answers) if (isOpen(answer)) this.send({ type: 'stop', id: answer.id });
  }

  get isBusy(): boolean {
    return this.answers.some(isOpen);
  }

  /** Has a text read and answered, without showing it. Rejects with the reason where that fails. */
  read(asked: Asked): Promise<Answer> {
    const answer: Answer = { id: this.nextId(), side: 'shown', asked, tokens: [] };
    this.send({ type: 'generate', id: answer.id, asked, isKept: false });
    return new Promise((resolve, reject) => this.readings.set(answer.id, { answer, resolve, reject }));
  }

  /** Asks for answers again that the page showed before it was hidden. */
  recall(shown: readonly { id: number; side: Side; asked: Asked }[]): void {
    this.answers = shown.map((one) => ({ ...one, tokens: [] }));
    if (shown.length) this.send({ type: 'recall', ids: shown.map(({ id }) => id) });
  }

  /** Takes a message in; true where something that is shown changed. */
  receive(message: AnswerMessage): boolean {
    const reading = this.readings.get(message.id);
    if (reading) this.takeReading(reading, message);
    const answer = this.answers.find(({ id }) => id === message.id);
    if (!answer) return false;
    if (message.type === 'forgotten') this.answers = this.answers.filter((one) => one !== answer);
    take(answer, message);
    return true;
  }

  private takeReading({ answer, resolve, reject }: Reading, message: AnswerMessage): void {
    take(answer, message);
    const { end } = answer;
    if (!end) return;
    this.readings.delete(answer.id);
    if (end.type === 'failed') reject(new Error(end.message));
    else resolve(answer);
  }

  private ask(side: Side, asked: Asked): Answer {
    const answer: Answer = { id: this.nextId(), side, asked, tokens: [] };
    this.send({ type: 'generate', id: answer.id, asked, isKept: true });
    return answer;
  }
}
