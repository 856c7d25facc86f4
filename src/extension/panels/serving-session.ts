import type { ServingProcess } from '../../launch/serving';
import type { ExplorerMessage } from '../../messages/explorer';
import type { GenerateRequest, ServedModel, ServedToken, ServingMessage } from '../../plan/serving';

/** A page is told of tokens at most so often. */
const BUNDLE_MILLISECONDS = 33;
/** Answers that can be had again: more than a page shows at once. */
const MAXIMUM_KEPT = 8;

/** What a process tells; `onEnd` says why it ended unasked. */
export interface ServingListener {
  onMessage(message: ServingMessage): void;
  onEnd(message: string): void;
}

/** What is known of an answer. */
interface Answer {
  model?: ServedModel;
  tokens: ServedToken[];
  end?: Extract<ServingMessage, { type: 'done' | 'failed' }>;
}

/**
 * The answers for one page. The process starts with the first request and lives until `dispose`; one that ended is started anew by the next
 * request. Tokens go to the page in bundles, and answers are kept so that a page that was hidden can have them again.
 */
export class ServingSession {
  private process: ServingProcess | undefined;
  /** Requests that the process has not answered to the end. */
  private readonly open = new Set<number>();
  private readonly kept = new Map<number, Answer>();
  private readonly bundles = new Map<number, ServedToken[]>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly start: (listener: ServingListener) => ServingProcess,
    private readonly post: (message: ExplorerMessage) => void,
  ) {}

  /** Asks for an answer; `isKept` for one that can be had again. */
  generate(request: GenerateRequest, isKept: boolean): void {
    this.process ??= this.startProcess();
    this.open.add(request.id);
    if (isKept) this.keep(request.id);
    this.process.send({ type: 'generate', request });
  }

  /** Gives up a request that is not answered yet. */
  stop(id: number): void {
    if (this.open.has(id)) this.process?.send({ type: 'stop', id });
  }

  /** Sends again what is known of an answer so far. */
  recall(id: number): void {
    const answer = this.kept.get(id);
    if (!answer) return this.post({ type: 'forgotten', id });
    this.bundles.delete(id);
    if (answer.model) this.post({ type: 'model', id, model: answer.model });
    if (answer.tokens.length) this.post({ type: 'tokens', id, tokens: answer.tokens });
    if (answer.end) this.post(answer.end);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.process?.end();
    this.process = undefined;
  }

  private startProcess(): ServingProcess {
    const started: ServingProcess = this.start({
      onMessage: (message) => this.receive(message),
      onEnd: (message) => {
        if (this.process !== started) return;
        this.process = undefined;
        for (const id of [...this.open]) this.receive({ type: 'failed', id, message });
      },
    });
    return started;
  }

  private keep(id: number): void {
    this.kept.set(id, { tokens: [] });
    for (const oldest of [...this.kept.keys()].slice(0, -MAXIMUM_KEPT)) this.kept.delete(oldest);
  }

  private receive(message: ServingMessage): void {
    const { id } = message;
    const answer = this.kept.get(id);
    switch (message.type) {
      case 'token':
        answer?.tokens.push(message.token);
        this.bundles.set(id, [...(this.bundles.get(id) ?? []), message.token]);
        this.timer ??= setTimeout(() => this.flush(), BUNDLE_MILLISECONDS);
        return;
      case 'model':
        if (answer) answer.model = message.model;
        return this.post(message);
      case 'done':
      case 'failed':
        if (answer) answer.end = message;
        this.open.delete(id);
        this.flush();
        return this.post(message);
    }
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const [id, tokens] of this.bundles) this.post({ type: 'tokens', id, tokens });
    this.bundles.clear();
  }
}
