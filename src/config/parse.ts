import { checkMeaning } from './meaning';
import { closestName, type Diagnostic } from './diagnostics';
import { experimentSchema, type Experiment } from './schema';
import { describeIssue, knownKeys, unknownKey } from './shape';
import { parseSource, type DataPath, type Respelling, type Source, valueAt } from './source';
import { checkSweep } from './sweep';

/** What came of reading an experiment file: the experiment if there is no mistake, and every mistake found. */
export interface ParsedExperiment {
  experiment: Experiment | undefined;
  mistakes: Diagnostic[];
  source: Source;
}

/**
 * Reads the text of an experiment file. Reports all of its mistakes at once, those of shape (a missing or misspelt key,
 * a wrong type) and those of meaning (a stage that does not exist, a cycle), in the order of the file.
 */
export function parseExperiment(text: string): ParsedExperiment {
  const source = parseSource(text);
  if (source.mistakes.length) return { experiment: undefined, mistakes: source.mistakes, source };
  if (source.data === null || source.data === undefined) {
    const nothing = source.at([], 'an experiment: name, model, domains and stages', 'an empty file');
    return { experiment: undefined, mistakes: [nothing], source };
  }
  const misspelt = respellKeys(source);
  const parsed = experimentSchema.safeParse(source.data);
  const shape = parsed.success ? [] : parsed.error.issues.flatMap((issue) => describeIssue(source, issue));
  const mistakes = [...misspelt, ...shape, ...checkMeaning(source)];
  // What a swept value does to a file can be told only of a file that is right without it.
  if (!mistakes.length) mistakes.push(...checkSweep(source));
  mistakes.sort((a, b) => a.start.line - b.start.line || a.start.column - b.start.column);
  return { experiment: parsed.success && !mistakes.length ? parsed.data : undefined, mistakes, source };
}

/**
 * Reports unknown keys that are like a known one which is absent, and reads on as if they were spelt right, so that a slip is one
 * mistake: without this, `widht` would also be a missing `width`. Values under such a key are looked at in the next round.
 */
function respellKeys(source: Source): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  for (;;) {
    const respelt = source.respell(misspeltKeys(source));
    if (!respelt.length) return mistakes;
    for (const { path, name } of respelt) {
      const place = source.atKey([...path.slice(0, -1), name], `\`${name}\``, unknownKey(path));
      mistakes.push({ ...place, path: path.join('.') });
    }
  }
}

function misspeltKeys(source: Source): Respelling[] {
  const issues = experimentSchema.safeParse(source.data).error?.issues ?? [];
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [];
    const place = issue.path as DataPath;
    const free = new Set(knownKeys(place).filter((key) => valueAt(source.data, [...place, key]) === undefined));
    return issue.keys.flatMap((key) => {
      const name = closestName(key, [...free]);
      return name !== undefined && free.delete(name) ? [{ path: [...place, key], name }] : [];
    });
  });
}
