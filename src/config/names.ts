import { stringify } from 'yaml';
import { BamError } from '../base/errors';
import { NAME } from './meaning';
import { type NamePlace, type Outline, outlineOf } from './outline';
import type { Span } from './tree';

/** A new text for a stretch of the file. */
export interface Edit {
  span: Span;
  text: string;
}

/** The name that the cursor touches. */
export function nameAt(outline: Outline, offset: number): NamePlace | undefined {
  return outline.names.find(({ span }) => span.start <= offset && offset <= span.end);
}

/** Everywhere that the name of this place stands, in the order of the text. */
export function placesOf(outline: Outline, { kind, name }: NamePlace): NamePlace[] {
  return outline.names.filter((place) => place.kind === kind && place.name === name);
}

/** Where the stage or domain of this place is defined; `undefined` for a name that is nowhere. */
export function definitionOf(outline: Outline, place: NamePlace): NamePlace | undefined {
  return placesOf(outline, place).find(({ role }) => role === 'definition');
}

/**
 * The name under the cursor, if it can be renamed. Throws a `BamError`: `nothing-to-rename`, `unknown-name`, `broken-file`
 * (places may be overlooked there).
 */
export function renamable(text: string, offset: number): NamePlace {
  const outline = outlineOf(text);
  const place = nameAt(outline, offset);
  if (!place) {
    throw new BamError('Expected the name of a stage or a domain at the cursor, found neither.', {
      reason: 'nothing-to-rename',
    });
  }
  if (!outline.complete) {
    throw new BamError('The file is no valid YAML, so some places of the name may be overlooked.', {
      reason: 'broken-file',
      advice: 'Mend the mistakes that are marked, then rename.',
    });
  }
  if (definitionOf(outline, place)) return place;
  throw new BamError(`There is no ${place.kind} "${place.name}" in this file.`, { reason: 'unknown-name' });
}

/**
 * The edits that give the stage or domain under the cursor another name, wherever it stands. Throws a `BamError` like `renamable`,
 * and `bad-name`, `name-taken`.
 */
export function renameEdits(text: string, offset: number, newName: string): Edit[] {
  const place = renamable(text, offset);
  if (newName === place.name) return [];
  if (!NAME.test(newName)) {
    throw new BamError(
      `Expected a name of at most 64 letters, digits, dots, dashes and underscores, found ${JSON.stringify(newName)}.`,
      { reason: 'bad-name', advice: 'It starts with a letter or a digit.' },
    );
  }
  const outline = outlineOf(text);
  if (definitionOf(outline, { ...place, name: newName })) {
    throw new BamError(`There is a ${place.kind} "${newName}" already.`, {
      reason: 'name-taken',
      advice: 'Choose another name.',
    });
  }
  return placesOf(outline, place).map(({ span, isPart }) => ({ span, text: isPart ? newName : nameText(newName) }));
}

/** A name as YAML writes it: in quotes where it would else be a number or another value, as `1` or `true`. */
export function nameText(name: string): string {
  return stringify(name).trimEnd();
}
