import { type Architecture, hasSoftFfn, type MixtureArchitecture, removedExperts } from '../architecture/architecture';
import { ffnChoices } from '../architecture/zero-computation';
import { balanceBiasName } from '../architecture/parameters';
import { topExpertsOnHost } from '../engine/ops/top-experts';
import { hashTable } from '../model/hash-routing';
import type { ParameterValues } from '../model/parameters';
import type { ExpertGate } from './experts';
import type { LayerChange } from './routing-change';

/** What a layer's choices follow from beside scores. */
export interface LayerRouter {
  /** Added to probabilities for the choice, (columns). */
  balanceBias?: Float32Array;
  /** With hash routing the expert of every token id, (vocabulary). */
  hashTable?: Int32Array;
}

/** What is chosen for: some tokens in a layer. */
export interface LayerChoice {
  layer: number;
  router: LayerRouter;
  ids: readonly number[];
  /** The router's logits, (tokens x columns); hash routing has none. */
  logits: Float32Array | undefined;
  change: LayerChange;
}

/** The routers of a model's layers, in a mixture. `values` are its parameters. */
export function layerRouters({ layers, mixture, vocabulary }: Architecture, values: ParameterValues): LayerRouter[] {
  const { hashSeed, experts, router } = mixture ?? {};
  return Array.from({ length: layers }, (_, layer) => ({
    ...(router?.balanceBias && { balanceBias: values.get(balanceBiasName(layer))! }),
    ...(hashSeed !== undefined && { hashTable: hashTable(hashSeed, layer, experts!, vocabulary) }),
  }));
}

/**
 * The columns of the router that each token is sent to, the largest gate first: what `ffn` of src/model works out on tensors, on the
 * host, for a model that is not trained. Removed experts are left out, zero-computation experts are among them.
 */
export function chooseExperts(mixture: MixtureArchitecture, choice: LayerChoice): ExpertGate[][] {
  const { layer, router, ids, change } = choice;
  const { force } = change;
  if (force !== undefined) return ids.map(() => [{ expert: force, gate: 1 }]);
  const { hashTable: table } = router;
  if (table) return ids.map((id) => (change.off.has(table[id]!) ? [] : [{ expert: table[id]!, gate: 1 }]));
  const columns = ffnChoices(mixture);
  const removed = removedExperts(mixture, layer);
  const open = Array.from({ length: columns }, (_, column) => column).filter((column) => !change.off.has(column));
  return ids.map((_, token) => {
    const logits = choice.logits!.subarray(token * columns, (token + 1) * columns);
    return gatesOf(
      mixture,
      choice,
      open.map((expert) => ({ expert, logit: logits[expert]! })),
    )
      .filter(({ expert }) => !removed.includes(expert))
      .sort((a, b) => b.gate - a.gate);
  });
}

/** A column of the router that a token may be sent to. */
interface Candidate {
  expert: number;
  logit: number;
}

/** All candidates with soft routing, else the best by probability and balance bias, with their gates. */
function gatesOf(
  mixture: MixtureArchitecture,
  { layer, router }: LayerChoice,
  candidates: readonly Candidate[],
): ExpertGate[] {
  const probabilities = softmax(candidates);
  const all = candidates.map(({ expert }, i) => ({ expert, gate: probabilities[i]! }));
  if (hasSoftFfn(mixture, layer)) return all;
  const k = Math.min(mixture.ffnTopK, candidates.length);
  const scores = Float32Array.from(all, ({ expert, gate }) => gate + (router.balanceBias?.[expert] ?? 0));
  const chosen = k ? [...topExpertsOnHost(scores, candidates.length, k)] : [];
  if (mixture.gate === 'softmax-topk') return chosen.map((i) => all[i]!);
  const gates = softmax(chosen.map((i) => candidates[i]!));
  return chosen.map((i, rank) => ({ expert: candidates[i]!.expert, gate: gates[rank]! }));
}

function softmax(candidates: readonly Candidate[]): number[] {
  const largest = Math.max(...candidates.map(({ logit }) => logit));
  const powers = candidates.map(({ logit }) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
