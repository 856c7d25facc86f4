import type { Diagnostic } from './diagnostics';
import { type Group, group } from './groups';
import type { Source } from './source';

/** Checks that there is something for `countParents` of a stage to count, and that it cannot be misread. */
export function checkCountedParents(source: Source, name: string, stages: Group): Diagnostic[] {
  const { countParents, match, like } = group(group(stages[name]).train);
  const path = ['stages', name, 'train', 'countParents'];
  if (countParents !== true) return [];
  if (match !== 'compute') return [source.atKey(path, '`match: compute` beside `countParents`')];
  if (typeof like !== 'string' || !Object.hasOwn(stages, like)) return [];
  const [own, theirs] = [ancestors(stages, name), ancestors(stages, like)];
  const foreign = [...own].find((ancestor) => !theirs.has(ancestor));
  if (foreign !== undefined) {
    const expected = `a stage that starts only from what "${like}" comes from: parents of its own would not be counted`;
    return [source.atKey(path, expected, `"${foreign}"`)];
  }
  const trains = (ancestor: string): boolean => group(stages[ancestor]).train !== undefined;
  if ([...theirs].some((ancestor) => !own.has(ancestor) && trains(ancestor))) return [];
  return [source.atKey(path, `parents of "${like}" that train and that this stage does not come from`, 'none')];
}

/** All stages whose checkpoints a stage comes from, as far as they are in the file. */
function ancestors(stages: Group, name: string, found = new Set<string>()): Set<string> {
  const { from, upcycle } = group(stages[name]);
  const { experts } = group(upcycle);
  for (const parent of [from, ...(Array.isArray(experts) ? (experts as unknown[]) : [])]) {
    if (typeof parent !== 'string' || !Object.hasOwn(stages, parent) || found.has(parent)) continue;
    found.add(parent);
    ancestors(stages, parent, found);
  }
  return found;
}
