import { type Architecture, attentionExperts, keyValueExperts } from '../architecture/architecture';
import type { RouterOptions } from './routers';
import type { Parent, UpcycleOptions } from './upcycle';

const ROUTERS: Record<RouterOptions['init'], string> = {
  normal: 'routers new',
  zero: 'routers zero',
  centroid: 'routers from the mean inputs of the domains of their experts',
};

/** In words what a mixture with these parents, one an expert, copies and what it averages, for the log. */
export function describeMixture(mixture: Architecture, parents: readonly Parent[], options: UpcycleOptions): string {
  const copied = ['FFN'];
  if (attentionExperts(mixture) > 1) copied.push('attention queries and outputs');
  if (keyValueExperts(mixture) > 1) copied.push('attention keys and values');
  const different = new Set(parents).size;
  const from = different < parents.length ? ` from ${different === 1 ? parents[0]!.name : `${different} stages`}` : '';
  const rest = different === 1 ? 'all else as there' : 'all else averaged';
  const facts = [`${parents.length} experts: ${copied.join(', ')} copied${from}`, rest];
  const { drop, weightScaling, router } = options;
  if (drop) facts.push(`${drop.ratio} of the hidden units of each expert drawn anew`);
  if (weightScaling) facts.push('up and down of each expert scaled');
  const { zeroComputation, gatingResidual } = mixture.mixture!;
  if (zeroComputation) {
    const { zero, copy, constant } = zeroComputation;
    facts.push(`${zero + copy + constant} zero-computation experts new`);
  }
  if (gatingResidual) facts.push('gating residuals zero');
  return [...facts, ROUTERS[router?.init ?? 'normal']].join('; ');
}
