import type { Diagnostic } from './diagnostics';
import type { Group } from './groups';
import type { Source } from './source';

/** Checks that a domain has either texts, or prompts with answers. */
export function checkInstructions(source: Source, name: string, { prompt, answer, field }: Group): Diagnostic[] {
  const path = ['domains', name];
  if (prompt === undefined && answer === undefined) return [];
  const mistakes: Diagnostic[] = [];
  if (prompt === undefined) mistakes.push(source.atKey([...path, 'answer'], '`prompt` beside `answer`'));
  if (answer === undefined) mistakes.push(source.atKey([...path, 'prompt'], '`answer` beside `prompt`'));
  if (field !== undefined) {
    mistakes.push(source.atKey([...path, 'field'], 'either `field`, or `prompt` and `answer`'));
  }
  return mistakes;
}
