import type { Asked, ExplorerMessage, Model, Token } from '../../src/messages/explorer';

/** What an answer is for: the shown checkpoint, the same with another routing, or the one beside it. */
export type Side = 'shown' | 'changed' | 'beside';

/** A request, and its answer as far as it is there. */
export interface Answer {
  id: number;
  side: Side;
  asked: Asked;
  model?: Model;
  tokens: Token[];
  end?: Extract<ExplorerMessage, { type: 'done' | 'failed' }>;
}

/** Messages about answers. */
export type AnswerMessage = Extract<ExplorerMessage, { id: number }>;

/** Whether an answer is still being made. */
export function isOpen({ end }: Answer): boolean {
  return !end;
}

/** Takes what was said of an answer into it. Tokens may come again, and never leave a hole: those behind one come again too. */
export function take(answer: Answer, message: AnswerMessage): void {
  if (message.type === 'model') answer.model = message.model;
  else if (message.type === 'tokens') takeTokens(answer, message.tokens);
  else if (message.type !== 'forgotten') answer.end = message;
}

function takeTokens({ tokens }: Answer, more: readonly Token[]): void {
  for (const token of more) if (token.position <= tokens.length) tokens[token.position] = token;
}

/** An answer that can stand for a request: the same was asked, and it did not fail and was not stopped. */
export function answerTo(asked: Asked, answers: readonly Answer[]): Answer | undefined {
  const isUsable = ({ end }: Answer): boolean => !end || (end.type === 'done' && end.reason !== 'stopped');
  const key = JSON.stringify(asked);
  return answers.find((answer) => JSON.stringify(answer.asked) === key && isUsable(answer));
}

/** How far an answer is, in words. */
export function progressOf({ asked, model, tokens, end }: Answer): string {
  const made = tokens.filter(({ isPrompt }) => !isPrompt).length;
  if (end?.type === 'failed') return 'failed';
  if (end) {
    const ending = asked.stop.length ? ', ended with the document or at a stop string' : ', ended with the document';
    const reasons = { length: '', stop: ending, stopped: ', stopped' };
    return `${made} token${made === 1 ? '' : 's'} in ${end.seconds.toFixed(1)} s${reasons[end.reason]}`;
  }
  if (!model) return 'loading the checkpoint…';
  return tokens.length ? `token ${made} of ${asked.tokens}` : 'reading the prompt…';
}
