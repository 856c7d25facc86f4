import { excludedBeside } from './beside';
import type { Diagnostic } from './diagnostics';
import { type Group, group, isCount, isGroup } from './groups';
import { expertCount } from './method';
import { hasAdapters } from './adapt';
import { keptExperts } from './prune-schema';
import type { DataPath, Source } from './source';

/** Keys of a stage that say otherwise where its parameters come from. */
const OTHER_ORIGINS = ['upcycle', 'split', 'adapt', 'import', 'ensemble'];

/** Checks what a stage prunes, and that it has something to prune. */
export function checkPruning(source: Source, name: string, stages: Group): Diagnostic[] {
  const stage = group(stages[name]);
  if (!isGroup(stage.prune)) return [];
  const path = ['stages', name, 'prune'];
  const why = (): string => ', which prunes the stage in `from`';
  const mistakes = excludedBeside(source, ['stages', name], stage, 'prune', OTHER_ORIGINS, why);
  mistakes.push(...checkKeys(source, path, stage.prune));
  if (typeof stage.from !== 'string') {
    if (stage.from === undefined) mistakes.push(source.atKey(path, '`from` beside `prune`, naming a mixture', 'none'));
    return mistakes;
  }
  if (!Object.hasOwn(stages, stage.from) || group(group(stages[stage.from]).ensemble).members) return mistakes;
  const parent = mixtureOf(stages, stage.from);
  const place = ['stages', name, 'from'];
  if (!parent) return [...mistakes, source.at(place, 'a mixture, whose experts can be pruned')];
  if (parent.isHashed) return [...mistakes, source.at(place, 'a mixture with routers (hash routing has none)')];
  if (hasAdapters(stages, stage.from)) return [...mistakes, source.at(place, 'a stage without adapters')];
  return [
    ...mistakes,
    ...checkNumber(source, path, stage.prune, parent),
    ...checkRouting(source, path, stage.prune, parent),
    ...checkSince(source, path, stage, stages),
  ];
}

/** What the method needs and knows. `since` and `tokens` may stand beside methods that do not look at them, so that methods can be swept. */
function checkKeys(source: Source, path: DataPath, prune: Group): Diagnostic[] {
  const { method } = prune;
  const mistakes: Diagnostic[] = [];
  if (prune.keep === undefined && prune.share === undefined) {
    mistakes.push(source.atKey(path, '`keep` or `share` in it', 'neither'));
  }
  if (prune.keep !== undefined && prune.share !== undefined) {
    mistakes.push(source.atKey([...path, 'share'], 'either `keep` or `share`', 'both'));
  }
  if (typeof method !== 'string') return mistakes;
  if (prune.similarity !== undefined && method !== 'similarity') {
    mistakes.push(source.atKey([...path, 'similarity'], `no \`similarity\` with ${method}`));
  }
  if (method === 'router-norm' && prune.since === undefined) {
    const expected = '`since` in it, an earlier stage of this mixture (router-norm is the change since then)';
    mistakes.push(source.atKey(path, expected, 'none'));
  }
  if (method === 'similarity' && prune.routing === 'zero') {
    mistakes.push(
      source.at([...path, 'routing'], '`masked` with similarity (a merged expert takes its group’s tokens)'),
    );
  }
  if (method === 'similarity' && prune.scope === 'global') {
    mistakes.push(source.at([...path, 'scope'], '`layer` with similarity (each layer is grouped by itself)'));
  }
  return mistakes;
}

/** The number of experts that stay, against what there are and what the router chooses. */
function checkNumber(source: Source, path: DataPath, prune: Group, parent: Mixture): Diagnostic[] {
  const key = prune.keep === undefined ? 'share' : 'keep';
  const kept = keptOf(prune, parent.left);
  if (kept === undefined || parent.left === undefined) return [];
  const place = [...path, key];
  const found = key === 'share' ? `${kept} of ${parent.left} experts` : undefined;
  if (kept > parent.left) return [source.at(place, `at most ${parent.left}, the experts that there are`)];
  const { ffnTopK } = parent.upcycle;
  if (isCount(ffnTopK) && kept < ffnTopK) {
    return [source.at(place, `at least ${ffnTopK} experts, as many as a token is sent to (\`ffnTopK\`)`, found)];
  }
  return [];
}

/** What pruned routers cannot do. */
function checkRouting(source: Source, path: DataPath, prune: Group, { upcycle, pruned }: Mixture): Diagnostic[] {
  const { normalizeLogits, balanceBias } = group(upcycle.router);
  const routing = routingOf(prune);
  const mistakes: Diagnostic[] = [];
  const before = pruned && routingOf(pruned);
  if (pruned?.scope === 'global' && prune.scope !== 'global') {
    mistakes.push(source.atKey(path, '`scope: global` where layers have different numbers of experts already', 'none'));
  }
  if (before && before !== routing) {
    const expected = `\`${before}\`, as in the pruned stage that it starts from`;
    mistakes.push(source.atKey(prune.routing === undefined ? path : [...path, 'routing'], expected, `\`${routing}\``));
  }
  if (balanceBias !== undefined) {
    mistakes.push(
      source.atKey(
        path,
        'a mixture without `router.balanceBias`, which would go on for removed experts',
        'one with it',
      ),
    );
  }
  if (normalizeLogits !== undefined && routing === 'masked') {
    const expected = '`routing: zero` where logits are normalised over all experts (`router.normalizeLogits`)';
    mistakes.push(source.atKey(path, expected, '`masked`'));
  }
  return mistakes;
}

/** `since` has to be another stage with as many experts. */
function checkSince(source: Source, path: DataPath, stage: Group, stages: Group): Diagnostic[] {
  const { since } = group(stage.prune);
  if (typeof since !== 'string' || !Object.hasOwn(stages, since)) return [];
  const place = [...path, 'since'];
  if (since === stage.from) {
    return [source.at(place, 'a stage before the one in `from` (nothing changes between a stage and itself)')];
  }
  const [own, earlier] = [mixtureOf(stages, stage.from as string), mixtureOf(stages, since)];
  if (!earlier) return [source.at(place, 'a mixture')];
  if (earlier.isHashed) return [source.at(place, 'a mixture with routers')];
  const [wanted, found] = [own!.experts, earlier.experts];
  if (wanted === undefined || found === undefined || wanted === found) return [];
  return [source.at(place, `a mixture of ${wanted} experts, as in \`from\``, `one of ${found}`)];
}

/** The mixture that a stage is, by its chain of `from`. */
export interface Mixture {
  /** Empty for one that a dense stage was split into. */
  upcycle: Group;
  experts: number | undefined;
  isHashed: boolean;
  /** The last pruning, if there was one. */
  pruned?: Group;
  /** FFN experts that a layer has left, as far as the file says it. */
  left: number | undefined;
}

/** The mixture that a stage is, if it is one. */
export function mixtureOf(stages: Group, name: string, seen: readonly string[] = []): Mixture | undefined {
  const stage = Object.hasOwn(stages, name) ? group(stages[name]) : {};
  if (isGroup(stage.upcycle)) {
    const experts = expertCount(stage.upcycle);
    return { upcycle: stage.upcycle, experts, left: experts, isHashed: false };
  }
  if (isGroup(stage.split)) return splitMixture(stage.split);
  if (typeof stage.from !== 'string' || seen.includes(name)) return undefined;
  const parent = mixtureOf(stages, stage.from, [...seen, name]);
  if (!parent || !isGroup(stage.prune)) return parent;
  return { ...parent, pruned: stage.prune, left: keptOf(stage.prune, parent.left) };
}

function splitMixture({ experts: written, routing }: Group): Mixture | undefined {
  const experts = isCount(written) ? written : undefined;
  return experts === 1 ? undefined : { upcycle: {}, experts, left: experts, isHashed: routing !== 'learnt' };
}

function keptOf({ keep, share }: Group, experts: number | undefined): number | undefined {
  if (isCount(keep)) return keep;
  return typeof share === 'number' && experts !== undefined ? keptExperts({ share }, experts) : undefined;
}

/** What becomes of tokens that are sent to a removed expert. */
export function routingOf({ method, routing }: { method?: unknown; routing?: unknown }): 'zero' | 'masked' {
  return method === 'similarity' || routing === 'masked' ? 'masked' : 'zero';
}
