import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { DataError } from '../base/errors';
import { describeFound } from '../base/found';
import type { TaskConfig } from '../config/schema';
import { objectsOfLines } from './documents';
import type { Tokenizer } from './tokenizer';

/** A question that is answered by continuing its prompt. */
export interface ExactMatchExample {
  /** An end of document, then the prompt. */
  prompt: number[];
  /** The right answer, without space around it. */
  answer: string;
}

/** A question whose choices are compared by their likelihood. */
export interface MultipleChoiceExample {
  choices: {
    /** An end of document, then prompt and choice, tokenized as one text. */
    tokens: number[];
    /** Of the choice alone, in UTF-8. */
    bytes: number;
  }[];
  /**
   * Tokens that all choices begin with and the prompt alone has too, the end of document among them. What comes behind is scored: a
   * tokenizer may join the end of the prompt with the beginning of a choice, and then that token belongs to the choice.
   */
  shared: number;
  /** Index of the right choice. */
  right: number;
}

/** A task, ready to be put to a model. */
export type Task = { name: string; fingerprint: string } & (
  | { kind: 'exact-match'; examples: ExactMatchExample[] }
  | { kind: 'multiple-choice'; examples: MultipleChoiceExample[] }
);

/** What loading a task needs to know. */
export interface TaskSource {
  /** Folder of the experiment file. */
  folder: string;
  tokenizer: Tokenizer;
  /** Of the model, in tokens. */
  context: number;
}

/**
 * Reads the examples of a task, at most `maximum`, and tokenizes them. The fingerprint changes with every change of them.
 * Throws a `DataError` with file and line: `no-task-file`, `not-json`, `not-utf8`, `bad-example`, `example-too-long`, `no-examples`.
 */
export async function loadTask(name: string, config: TaskConfig, source: TaskSource): Promise<Task> {
  const path = resolve(source.folder, config.file);
  if (!existsSync(path)) {
    throw new DataError(`Task ${name}: there is no file ${path}.`, {
      reason: 'no-task-file',
      advice: 'Paths are relative to the experiment file.',
    });
  }
  const hasher = createHash('sha256').update(JSON.stringify([config.kind, source.tokenizer.fingerprint]));
  const read = async <T>(example: (row: Row) => T): Promise<T[]> => {
    const examples: T[] = [];
    for await (const { value, where } of objectsOfLines(path, () => undefined)) {
      examples.push(example(new Row(value, where, config)));
      hasher.update(JSON.stringify(examples.at(-1)));
      if (examples.length === config.maximum) break;
    }
    if (examples.length) return examples;
    throw new DataError(`Task ${name}: ${path} holds no example.`, { reason: 'no-examples' });
  };
  const finish = <T>(task: T): T & { name: string; fingerprint: string } => ({
    ...task,
    name,
    fingerprint: hasher.digest('hex').slice(0, 20),
  });
  return config.kind === 'exact-match'
    ? finish({ kind: config.kind, examples: await read((row) => exactMatch(row, source)) })
    : finish({ kind: config.kind, examples: await read((row) => multipleChoice(row, source)) });
}

/** One line of a task's file. */
class Row {
  constructor(
    private readonly value: unknown,
    readonly where: string,
    private readonly config: TaskConfig,
  ) {}

  get prompt(): string {
    const { prompt: field } = this.config;
    const value = this.field(field);
    return typeof value === 'string' && value ? value : this.fail(`text in the field \`${field}\``, value);
  }

  get answer(): string {
    const { answer: field } = this.config;
    const value = this.field(field);
    const text = typeof value === 'number' ? String(value) : value;
    return typeof text === 'string' && text.trim() ? text.trim() : this.fail(`text in the field \`${field}\``, value);
  }

  get choices(): string[] {
    const field = this.config.choices!;
    const value = this.field(field);
    const isList = Array.isArray(value) && value.length > 1 && value.every((one) => typeof one === 'string' && one);
    return isList ? (value as string[]) : this.fail(`a list of two texts or more in the field \`${field}\``, value);
  }

  /** The index of the right choice, written as such (from 0) or as the choice itself. */
  right(choices: readonly string[]): number {
    const { answer: field } = this.config;
    const value = this.field(field);
    const index = typeof value === 'number' ? value : choices.indexOf(value as string);
    if (Number.isInteger(index) && index >= 0 && index < choices.length) return index;
    return this.fail(`one of the choices in the field \`${field}\`, or its index from 0`, value);
  }

  private field(name: string): unknown {
    const isObject = typeof this.value === 'object' && this.value !== null && Object.hasOwn(this.value, name);
    return isObject ? (this.value as Record<string, unknown>)[name] : undefined;
  }

  private fail(expected: string, found: unknown): never {
    throw new DataError(`${this.where}: expected ${expected}, found ${describeFound(found)}.`, {
      reason: 'bad-example',
      advice: 'Correct the file, or the names of the fields in the task.',
    });
  }
}

function exactMatch(row: Row, { tokenizer, context }: TaskSource): ExactMatchExample {
  const { prompt, answer } = row;
  const tokens = [tokenizer.endOfDocument, ...tokenizer.encode(prompt)];
  requireLength(row.where, tokens.length + tokenizer.encode(answer).length, context);
  return { prompt: tokens, answer };
}

function multipleChoice(row: Row, { tokenizer, context }: TaskSource): MultipleChoiceExample {
  const { prompt, choices } = row;
  const right = row.right(choices);
  const alone = [tokenizer.endOfDocument, ...tokenizer.encode(prompt)];
  const encoded = choices.map((choice) => ({
    tokens: [tokenizer.endOfDocument, ...tokenizer.encode(prompt + choice)],
    bytes: Buffer.byteLength(choice),
  }));
  // The last token is only ever predicted.
  requireLength(row.where, Math.max(...encoded.map(({ tokens }) => tokens.length)) - 1, context);
  const shared = Math.min(...encoded.map(({ tokens }) => commonLength(alone, tokens)));
  return { choices: encoded, shared, right };
}

/** How many tokens two sequences begin with alike. */
function commonLength(one: readonly number[], other: readonly number[]): number {
  const end = one.findIndex((token, i) => token !== other[i]);
  return end < 0 ? one.length : end;
}

function requireLength(where: string, tokens: number, context: number): void {
  if (tokens <= context) return;
  throw new DataError(
    `${where}: prompt and answer should fit into the model's context of ${context} tokens, and need ${tokens}.`,
    { reason: 'example-too-long', advice: 'Shorten the prompt, leave the example out, or raise `model.context`.' },
  );
}
