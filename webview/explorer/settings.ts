import * as z from 'zod';
import type { Asked } from '../../src/messages/explorer';

/** What stands in the form, as typed. */
export const formSchema = z.object({
  prompt: z.string().default(''),
  tokens: z.string().default('64'),
  temperature: z.string().default('0.8'),
  topK: z.string().default(''),
  topP: z.string().default(''),
  seed: z.string().default('1'),
  stop: z.string().default(''),
});
export type Form = z.output<typeof formSchema>;

/** What a form asks for, whatever the checkpoint. */
export type Settings = Pick<Asked, 'prompt' | 'tokens' | 'sampling' | 'stop'>;

/** Reads a form; what cannot be used is told by field. */
export function readForm(form: Form): { settings: Settings } | { problems: Partial<Record<keyof Form, string>> } {
  const problems: Partial<Record<keyof Form, string>> = {};
  const read = (field: keyof Form, isGood: (value: number) => boolean, expected: string): number | undefined => {
    const text = form[field].trim();
    const value = Number(text);
    if (text && Number.isFinite(value) && isGood(value)) return value;
    problems[field] = `Expected ${expected}, found "${text}".`;
    return undefined;
  };
  const optional = (...args: Parameters<typeof read>): number | undefined =>
    form[args[0]].trim() ? read(...args) : undefined;
  const isCount = (least: number) => (value: number) => Number.isInteger(value) && value >= least && value <= 1e6;
  const tokens = read('tokens', isCount(0), 'a count from 0');
  const temperature = read('temperature', (value) => value >= 0 && value <= 100, 'a number from 0 (greedy) to 100');
  const topK = optional('topK', isCount(1), 'a count from 1, or nothing');
  const topP = optional('topP', (value) => value > 0 && value <= 1, 'a share above 0, up to 1, or nothing');
  const seed = read('seed', Number.isSafeInteger, 'a whole number');
  if (!form.prompt) problems.prompt = 'Expected a prompt.';
  if (Object.keys(problems).length) return { problems };
  const sampling = { temperature: temperature!, seed: seed!, ...(topK && { topK }), ...(topP && { topP }) };
  return { settings: { prompt: form.prompt, tokens: tokens!, sampling, stop: readStops(form.stop) } };
}

/** Texts with commas between, without the blanks around them; `\n`, `\t`, `\,`, `\\` and `\s` stand for what cannot be typed plainly. */
export function readStops(text: string): string[] {
  const escapes: Record<string, string> = { n: '\n', t: '\t', s: ' ' };
  const parts = text.match(/(?:\\[\s\S]|[^,\\])+/g) ?? [];
  return parts
    .map((part) => part.trim().replace(/\\([\s\S])/g, (_, character: string) => escapes[character] ?? character))
    .filter(Boolean);
}
