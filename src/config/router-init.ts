import type { Diagnostic } from './diagnostics';
import { type Group, group, isGroup } from './groups';
import type { DataPath, Source } from './source';

/** Checks how the routers of a stage's mixture start. `file` is the whole file. */
export function checkRouterInit(source: Source, name: string, file: Group): Diagnostic[] {
  const stages = group(file.stages);
  const upcycle = group(group(stages[name]).upcycle);
  const { init, deviation } = group(upcycle.router);
  const path = ['stages', name, 'upcycle', 'router'];
  if (init === 'zero' && deviation !== undefined) {
    return [source.atKey([...path, 'deviation'], 'no `deviation` where rows are zero')];
  }
  if (init !== 'centroid' || typeof upcycle.method !== 'string') return [];
  if (upcycle.method !== 'bam' && upcycle.method !== 'btx') {
    const expected = '`normal` or `zero` with experts that have no domains of their own';
    return [source.at([...path, 'init'], expected)];
  }
  return checkDomains(source, [...path, 'init'], upcycle.experts, file);
}

/** Equal rows of a router would choose the first of them always. */
function checkDomains(source: Source, path: DataPath, experts: unknown, file: Group): Diagnostic[] {
  const known = Object.keys(group(file.domains));
  const stages = group(file.stages);
  const owners = new Map<string, string>();
  for (const expert of Array.isArray(experts) ? (experts as unknown[]) : []) {
    if (typeof expert !== 'string' || !Object.hasOwn(stages, expert)) return [];
    const domains = mainDomains(stages, expert, known).join(', ');
    const owner = owners.get(domains);
    if (owner !== undefined) {
      const expected = 'with `centroid`, experts that trained mostly on different domains';
      return [source.at(path, expected, `${domains} for ${owner} and for ${expert}`)];
    }
    owners.set(domains, expert);
  }
  return [];
}

/** The domains with the largest weight in a stage's mix, which it may have from the stage that it is `like`; without one, all. */
function mainDomains(stages: Group, name: string, known: readonly string[], seen: readonly string[] = []): string[] {
  const { mix, like } = group(group(stages[name]).train);
  if (isGroup(mix)) {
    const most = Math.max(...Object.values(mix).map(Number));
    return known.filter((domain) => mix[domain] === most);
  }
  const follow = mix === undefined && typeof like === 'string' && Object.hasOwn(stages, like) && !seen.includes(like);
  return follow ? mainDomains(stages, like, known, [...seen, like]) : [...known];
}
