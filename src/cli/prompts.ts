import { readFileSync } from 'node:fs';
import { BamError, hasCode } from '../base/errors';

/** Where prompts come from; standard input without any of them. */
export interface PromptOptions {
  prompt?: string;
  prompts?: string;
}

/** The prompts of a call. Throws a `BamError` (`no-prompt`, `bad-prompts`, `unreadable`). */
export function readPrompts({ prompt, prompts }: PromptOptions): string[] {
  if (prompt !== undefined && prompts !== undefined) {
    throw new BamError('Expected --prompt or --prompts, found both.', { reason: 'bad-prompts' });
  }
  if (prompts !== undefined) return promptsOf(prompts);
  const text = prompt ?? standardInput();
  if (text !== '') return [text];
  throw new BamError('The prompt is empty.', { reason: 'no-prompt', advice: 'For example: --prompt "The licence"' });
}

function standardInput(): string {
  if (process.stdin.isTTY) {
    throw new BamError('There is no prompt.', {
      reason: 'no-prompt',
      advice: 'Give --prompt TEXT, --prompts FILE, or a text on standard input.',
    });
  }
  return readFileSync(0, 'utf8').replace(/\r?\n$/, '');
}

/** One prompt a line; of .jsonl files what stands under `prompt`. Empty lines are left out. */
function promptsOf(file: string): string[] {
  const found = readText(file)
    .split(/\r?\n/)
    .flatMap((line, i) =>
      line.trim() === '' ? [] : [file.endsWith('.jsonl') ? promptOf(line, `${file}:${i + 1}`) : line],
    );
  if (found.length) return found;
  throw new BamError(`${file} should have a prompt on every line, but is empty.`, { reason: 'no-prompt' });
}

function promptOf(line: string, place: string): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  const prompt = (value as { prompt?: unknown } | null | undefined)?.prompt;
  if (typeof prompt === 'string' && prompt !== '') return prompt;
  throw new BamError(`${place} should be a JSON object with a text as its \`prompt\`.`, { reason: 'bad-prompts' });
}

/** The text of a file. Throws a `BamError` (`unreadable`). */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const problem = hasCode(cause, 'ENOENT') ? 'is not there' : `cannot be read (${(cause as Error).message})`;
    throw new BamError(`The file ${file} ${problem}.`, { reason: 'unreadable', cause });
  }
}
