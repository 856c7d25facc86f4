import { readVariantName } from '../../src/base/variant-name';
import type { Run } from '../../src/messages/contract';

/** The seeds of a run with a comma between; empty where none is known. */
export function seedsOf({ seed, stages }: Pick<Run, 'seed' | 'stages'>): string {
  const seeds = new Set(stages.flatMap(({ name }) => readVariantName(name).seed ?? []));
  return seeds.size ? [...seeds].join(', ') : String(seed ?? '');
}
