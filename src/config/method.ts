import type { Diagnostic } from './diagnostics';
import { type Group, isCount } from './groups';
import type { DataPath, Source } from './source';

/** Keys of an upcycling that only some methods have: who has them, and why not the others. */
const KEYS: Record<string, { of: readonly string[]; why: string }> = {
  experts: { of: ['bam', 'btx', 'sparse', 'drop'], why: 'its experts are random' },
  copies: { of: ['sparse', 'drop', 'scratch'], why: 'every expert is listed in `experts`' },
  attention: { of: ['bam'], why: 'only bam has attention experts' },
  attentionTopK: { of: ['bam'], why: 'only bam has attention experts' },
  weightScaling: { of: ['bam', 'btx', 'sparse', 'drop'], why: 'random experts have no size to keep' },
  drop: { of: ['drop'], why: 'only drop draws units anew' },
};

/** The keys of an upcycling that only other methods have. */
export function foreignKeys(method: unknown): string[] {
  if (typeof method !== 'string') return [];
  return Object.keys(KEYS).filter((key) => !KEYS[key]!.of.includes(method));
}

/** Checks that an upcycling has what its method needs, and nothing that its method does not know. */
export function checkMethod(source: Source, path: DataPath, upcycle: Group): Diagnostic[] {
  const { method } = upcycle;
  const mistakes: Diagnostic[] = [];
  if (typeof method !== 'string') return mistakes;
  for (const key of foreignKeys(method)) {
    if (upcycle[key] === undefined) continue;
    mistakes.push(source.atKey([...path, key], `no \`${key}\` with ${method}: ${KEYS[key]!.why}`));
  }
  const isCopy = KEYS.copies!.of.includes(method);
  if (KEYS.experts!.of.includes(method)) mistakes.push(...checkExperts(source, path, upcycle, isCopy));
  if (isCopy && upcycle.copies === undefined) {
    mistakes.push(source.at([...path, 'copies'], `with ${method} the number of its experts`));
  }
  if (upcycle.weightScaling === true && upcycle.gate === 'topk-softmax') {
    const expected = '`gate: softmax-topk` beside it (the gates of topk-softmax add up to 1 already)';
    mistakes.push(source.at([...path, 'weightScaling'], expected));
  }
  return mistakes;
}

function checkExperts(source: Source, path: DataPath, { experts }: Group, isCopy: boolean): Diagnostic[] {
  const place = [...path, 'experts'];
  if (experts === undefined) {
    return [source.at(place, isCopy ? 'the stage that is copied, in a list' : 'a list of at least 2 stages')];
  }
  // That a list is empty, or none, the schema says.
  if (!Array.isArray(experts) || !experts.length) return [];
  if (isCopy) return experts.length > 1 ? [source.at(place, 'one entry, the stage that is copied')] : [];
  return experts.length < 2 ? [source.at(place, 'at least 2 entries')] : [];
}

/** How many experts an upcycling makes, if it says so. */
export function expertCount({ experts, copies }: Group): number | undefined {
  if (isCount(copies)) return copies;
  return Array.isArray(experts) && experts.length ? experts.length : undefined;
}
