import type { Architecture } from '../architecture/architecture';
import { keptExperts, PRUNE_TOKENS, type PruneConfig, readsText } from '../config/prune-schema';
import { routingOf } from '../config/pruning';

/** What a stage prunes, with what its method needs filled in and without what it does not look at. */
export interface PlannedPruning {
  method: PruneConfig['method'];
  /** FFN experts that stay in a layer; with `global` on average. */
  keep: number;
  scope: PruneConfig['scope'];
  routing: 'zero' | 'masked';
  /** router-norm: the stage from whose end on the router's change counts, the second parent. */
  since?: string;
  /** similarity: what is compared. */
  similarity?: 'outputs' | 'weights';
  /** Tokens of training text on which experts are measured, where they are. */
  tokens?: number;
}

/** A pruning of a mixture of this architecture, complete. */
export function completePruning(config: PruneConfig, { layers, mixture }: Architecture): PlannedPruning {
  const { method, scope, since, similarity = 'outputs', tokens = PRUNE_TOKENS } = config;
  const removed = mixture!.pruned?.experts.reduce((sum, experts) => sum + experts.length, 0) ?? 0;
  return {
    ...{ method, scope, routing: routingOf(config) },
    keep: keptExperts(config, mixture!.experts - removed / layers),
    ...(method === 'router-norm' && since !== undefined && { since }),
    ...(method === 'similarity' && { similarity }),
    ...(readsText(config) && { tokens }),
  };
}

/** The architecture of a pruned mixture before it is known which experts go: the last ones stand for them. */
export function prunedArchitecture(architecture: Architecture, { keep, routing }: PlannedPruning): Architecture {
  const mixture = architecture.mixture!;
  const last = Array.from({ length: mixture.experts - keep }, (_, i) => keep + i);
  const experts = Array.from({ length: architecture.layers }, () => last);
  return { ...architecture, mixture: { ...mixture, pruned: { experts, routing } } };
}

/** What a pruning keeps and how, in words: `4 of 8 experts a layer, by router-norm since base; others: zero`. */
export function describePruning(pruning: PlannedPruning, experts: number): string {
  const { method, keep, scope, since, similarity, routing } = pruning;
  const where = scope === 'global' ? 'a layer on average' : 'a layer';
  const how = [method, since && `since ${since}`, similarity && `of ${similarity}`].filter(Boolean).join(' ');
  return `${keep} of ${experts} experts ${where}, by ${how}, ${routing}`;
}
