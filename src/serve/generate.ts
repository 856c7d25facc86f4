import { ServingError } from '../base/errors';
import { deriveSeed, uniformGenerator } from '../base/random';
import type { GenerateRequest, ServedToken } from '../plan/serving';
import type { Tokenizer } from '../data/tokenizer';
import { decode, type DecodedTokens } from './decode';
import { KeyValueCache } from './kv-cache';
import type { DecodingModel } from './model';
import { layerChanges } from './routing-change';
import { checkSampling, drawToken, logProbability, samplingProbabilities } from './sampling';
import { StopText } from './stop-text';
import { TextStream } from './text-stream';

/** Tokens of one pass at most: it has scores for each pair of them, and logits for each. */
export const PASS_TOKENS = 128;

export interface GenerateOptions {
  model: DecodingModel;
  tokenizer: Tokenizer;
  request: Pick<GenerateRequest, 'prompt' | 'tokens' | 'sampling' | 'stop' | 'routing'>;
  /** Ends it behind the token that is being computed. */
  signal: AbortSignal;
  /** Told of every token of the prompt and of the continuation, in order. */
  onToken: (token: ServedToken) => void;
}

/** How a continuation ended. */
export interface GenerateOutcome {
  /** `length`: all tokens that were asked for, or as many as the context has room for; `stop`: the end of a document, or a stop text. */
  reason: 'length' | 'stop' | 'stopped';
  /** Of the prompt; none where it has one token. */
  perplexity?: number;
}

/**
 * Continues a prompt. The same request gives the same text, whatever was asked before. Throws a `ServingError` (`bad-sampling`,
 * `bad-count`, `empty-prompt`, `prompt-too-long`, and what `layerChanges` throws).
 */
export async function generate(options: GenerateOptions): Promise<GenerateOutcome> {
  const { model, tokenizer, request } = options;
  const { sampling, tokens } = request;
  checkSampling(sampling);
  if (!Number.isInteger(tokens) || tokens < 0) {
    throw new ServingError(`The count of tokens should be a whole number from 0, found ${tokens}.`, {
      reason: 'bad-count',
    });
  }
  const ids = promptTokens(request.prompt, tokenizer, model.architecture.context);
  const sequence = new Sequence(options);
  try {
    const perplexity = await sequence.read(ids);
    const reason = await sequence.continue(tokens);
    return { reason, ...(perplexity !== undefined && { perplexity }) };
  } finally {
    sequence.dispose();
  }
}

function promptTokens(prompt: string, tokenizer: Tokenizer, context: number): number[] {
  const ids = [...tokenizer.encode(prompt)];
  if (!ids.length) {
    throw new ServingError('The prompt should have at least one token, but is empty.', { reason: 'empty-prompt' });
  }
  if (ids.length > context) {
    throw new ServingError(
      `The prompt should have at most ${context} tokens, the context of the model, but has ${ids.length}.`,
      { reason: 'prompt-too-long', advice: 'Shorten it.' },
    );
  }
  return ids;
}

/** A prompt and what follows it. */
class Sequence {
  private readonly cache = new KeyValueCache();
  private readonly changes;
  private readonly text: TextStream;
  private readonly stop: StopText;
  /** Scores of the next token. */
  private scores = new Float32Array();

  constructor(private readonly options: GenerateOptions) {
    const { model, request, tokenizer } = options;
    this.changes = layerChanges(model.architecture, request.routing);
    this.text = new TextStream(tokenizer);
    this.stop = new StopText((request.stop ?? []).filter((stop) => stop.length > 0));
  }

  /** Takes the prompt and gives its perplexity. */
  async read(ids: readonly number[]): Promise<number | undefined> {
    let sum = 0;
    for (let start = 0; start < ids.length && !this.options.signal.aborted; start += PASS_TOKENS) {
      for (const token of await this.take(ids.slice(start, start + PASS_TOKENS), true)) {
        sum += token.logProbability ?? 0;
        this.options.onToken(token);
      }
    }
    return ids.length > 1 ? Math.exp(-sum / (ids.length - 1)) : undefined;
  }

  /** Draws so many tokens at most. */
  async continue(count: number): Promise<GenerateOutcome['reason']> {
    const { model, tokenizer, request, signal, onToken } = this.options;
    const uniform = uniformGenerator(deriveSeed(request.sampling.seed, 'sampling'));
    for (let drawn = 0; drawn < count && this.cache.positions < model.architecture.context; drawn++) {
      if (signal.aborted) break;
      const id = drawToken(samplingProbabilities(this.scores, request.sampling), uniform());
      if (id === tokenizer.endOfDocument) {
        this.stop.rest().forEach(onToken);
        return 'stop';
      }
      const [token] = await this.take([id], false);
      const { tokens, isStopped } = this.stop.push(token!);
      tokens.forEach(onToken);
      if (isStopped) return 'stop';
    }
    this.stop.rest().forEach(onToken);
    return signal.aborted ? 'stopped' : 'length';
  }

  /** Computes tokens. Gives the event loop a turn first, so that a request to stop can come in. */
  private async take(ids: readonly number[], isPrompt: boolean): Promise<ServedToken[]> {
    await new Promise(setImmediate);
    const position = this.cache.positions;
    const decoded = await decode(this.options.model, this.cache, ids, this.changes);
    const scoresAt = (row: number): Float32Array<ArrayBuffer> => {
      const vocabulary = decoded.logits.length / ids.length;
      return decoded.logits.slice(row * vocabulary, (row + 1) * vocabulary);
    };
    return ids.map((id, row) => {
      const before = this.scores;
      this.scores = scoresAt(row);
      return {
        ...{ position: position + row, id, text: this.text.push(id), isPrompt },
        ...(before.length && { logProbability: logProbability(before, id) }),
        ...routingOf(decoded, row),
      };
    });
  }

  dispose(): void {
    this.cache.dispose();
  }
}

function routingOf({ ffn, attention }: DecodedTokens, row: number): Pick<ServedToken, 'ffn' | 'attention'> {
  return { ffn: ffn.map((layer) => layer[row]!), attention: attention.map((layer) => layer[row]!) };
}
