import type { ExactMatchExample, MultipleChoiceExample, Task } from '../data/tasks';
import type { Tokenizer } from '../data/tokenizer';
import type { TaskResult } from '../events/event';
import type { EvaluatedModel } from './evaluated-model';

export interface TaskOptions {
  tokenizer: Tokenizer;
  /** Of the model, in tokens. */
  context: number;
  /** Sequences at a time; the last batch is filled up, so that all of a task have one shape. */
  batch: number;
  /** Told of examples that are done. May throw, which ends the evaluation: so a user cancels it. */
  onProgress: (task: string, done: number, total: number) => void;
}

/** Puts tasks to a model. Gives the event loop a turn between batches. */
export async function evaluateTasks(
  model: EvaluatedModel,
  tasks: readonly Task[],
  options: TaskOptions,
): Promise<Record<string, TaskResult>> {
  const results: Record<string, TaskResult> = {};
  for (const task of tasks) {
    const { name, fingerprint, kind } = task;
    const onDone = (done: number): void => options.onProgress(name, done, task.examples.length);
    const scores =
      task.kind === 'exact-match'
        ? { accuracy: await exactMatchAccuracy(model, task.examples, options, onDone) }
        : await multipleChoiceAccuracy(model, task.examples, options, onDone);
    results[name] = { kind, fingerprint, examples: task.examples.length, ...scores };
  }
  return results;
}

/** Items in groups of at most `size`, with the index behind each group. The event loop has a turn in front of each. */
async function* groupsOf<T>(items: readonly T[], size: number): AsyncGenerator<{ group: readonly T[]; end: number }> {
  for (let start = 0; start < items.length; start += size) {
    await new Promise(setImmediate);
    yield { group: items.slice(start, start + size), end: Math.min(start + size, items.length) };
  }
}

/**
 * The choice with the largest summed log-likelihood is the model's answer; `normalizedAccuracy` divides by the bytes of a choice first,
 * so that long choices are not at a disadvantage.
 */
async function multipleChoiceAccuracy(
  model: EvaluatedModel,
  examples: readonly MultipleChoiceExample[],
  options: TaskOptions,
  onDone: (done: number) => void,
): Promise<Pick<TaskResult, 'accuracy' | 'normalizedAccuracy'>> {
  const sequences = examples.flatMap(({ choices, shared }, example) =>
    choices.map(({ tokens, bytes }) => ({ example, tokens, bytes, shared })),
  );
  const length = largest(sequences.map(({ tokens }) => tokens.length)) - 1;
  const sums = examples.map((): number[] => []);
  const perByte = examples.map((): number[] => []);
  for await (const { group, end } of groupsOf(sequences, options.batch)) {
    const logLikelihoods = scoreSequences(model, group, { ...options, length });
    group.forEach(({ example, bytes }, i) => {
      sums[example]!.push(logLikelihoods[i]!);
      perByte[example]!.push(logLikelihoods[i]! / bytes);
    });
    onDone(sequences[end]?.example ?? examples.length);
  }
  const share = (scores: number[][]): number =>
    scores.filter((score, example) => largestIndex(score) === examples[example]!.right).length / examples.length;
  return { accuracy: share(sums), normalizedAccuracy: share(perByte) };
}

/** Tokens that the sequences of a task are given. */
type Shape = Pick<TaskOptions, 'tokenizer' | 'batch'> & { length: number };

/** Summed log-likelihood of each sequence behind its first `shared` tokens, in nats. */
function scoreSequences(
  model: EvaluatedModel,
  sequences: readonly { tokens: readonly number[]; shared: number }[],
  { tokenizer, batch, length }: Shape,
): number[] {
  const inputs = new Int32Array(batch * length).fill(tokenizer.endOfDocument);
  const targets = inputs.slice();
  sequences.forEach(({ tokens }, row) => {
    inputs.set(tokens.slice(0, -1), row * length);
    targets.set(tokens.slice(1), row * length);
  });
  const losses = model.tokenLosses({ inputs, targets }, length);
  return sequences.map(({ tokens, shared }, row) => {
    // The loss at a position is that of the token behind it.
    const own = losses.subarray(row * length + shared - 1, row * length + tokens.length - 1);
    return -own.reduce((sum, loss) => sum + loss, 0);
  });
}

/** The index of the largest number; the first of equals. */
function largestIndex(numbers: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i]! > numbers[best]!) best = i;
  return best;
}

/** The largest of numbers, of which there may be very many. */
function largest(numbers: readonly number[]): number {
  return numbers[largestIndex(numbers)]!;
}

async function exactMatchAccuracy(
  model: EvaluatedModel,
  examples: readonly ExactMatchExample[],
  options: TaskOptions,
  onDone: (done: number) => void,
): Promise<number> {
  // A tokenizer may write the answer in more tokens than it would itself, but hardly in more than it has bytes; and it ends with one more.
  const needed = examples.map(({ prompt, answer }) => prompt.length + Buffer.byteLength(answer) + 2);
  const length = Math.min(options.context, largest(needed));
  let right = 0;
  for await (const { group, end } of groupsOf(examples, options.batch)) {
    right += countRight(model, group, { ...options, length });
    onDone(end);
  }
  return right / examples.length;
}

/** How many examples the model answers right when it always takes the likeliest token. */
function countRight(
  model: EvaluatedModel,
  examples: readonly ExactMatchExample[],
  { tokenizer, batch, length }: Shape,
): number {
  const inputs = new Int32Array(batch * length).fill(tokenizer.endOfDocument);
  const writing = examples.map(({ prompt, answer }, row) => {
    inputs.set(prompt, row * length);
    return { row, answer, end: prompt.length, written: [] as number[], verdict: undefined as boolean | undefined };
  });
  for (let open = writing; open.length; open = open.filter(({ verdict }) => verdict === undefined)) {
    const rows = Int32Array.from({ length: batch }, (_, i) => i * length + (writing[i]?.end ?? 1) - 1);
    const scores = model.logProbabilities(inputs, rows, length);
    const vocabulary = scores.length / batch;
    for (const one of open) {
      const token = largestIndex(scores.subarray(one.row * vocabulary, (one.row + 1) * vocabulary));
      const hasEnded = token === tokenizer.endOfDocument;
      if (!hasEnded) one.written.push(token);
      one.verdict = judge(tokenizer.decode(one.written), one.answer, hasEnded);
      if (one.verdict === undefined && one.end === length) one.verdict = false;
      if (one.verdict === undefined) inputs[one.row * length + one.end++] = token;
    }
  }
  return writing.filter(({ verdict }) => verdict).length;
}

/**
 * Whether a text is the answer: it has to end behind it, with the document or the line. Space in front does not count. `undefined` while
 * the text is the beginning of the answer.
 */
function judge(text: string, answer: string, hasEnded: boolean): boolean | undefined {
  const found = text.trimStart();
  if (hasEnded) return found === answer;
  if (found.startsWith(`${answer}\n`)) return true;
  return answer.startsWith(found.replace(/\uFFFD+$/, '')) ? undefined : false;
}
