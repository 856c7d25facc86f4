import type { Change, Model, Place, Token } from '../../src/messages/explorer';

/** What tokens are coloured by: the routing of one layer, or of all of them together. */
export type View = number | 'all';

/** An expert of a token, and its share of the token's gates. */
export interface Share {
  expert: number;
  share: number;
}

/** The FFN experts of a token in a layer, or over all layers by the sum of their gates, the largest share first; empty where it has none. */
export function sharesOf({ ffn }: Pick<Token, 'ffn'>, view: View): Share[] {
  const sums = new Map<number, number>();
  for (const { expert, gate } of view === 'all' ? ffn.flat() : (ffn[view] ?? [])) {
    sums.set(expert, (sums.get(expert) ?? 0) + gate);
  }
  const total = [...sums.values()].reduce((sum, gate) => sum + gate, 0);
  const shares = [...sums].map(([expert, gate]) => ({ expert, share: total > 0 ? gate / total : 0 }));
  return shares.sort((a, b) => b.share - a.share || a.expert - b.expert);
}

/** The expert that a token is coloured by. */
export function mainExpert(token: Pick<Token, 'ffn'>, view: View): Share | undefined {
  return sharesOf(token, view)[0];
}

/**
 * The load of each of so many experts: the share of all choices of experts that fell on it, in a layer or in all of them. Where every token
 * has all experts, which choices say nothing about, its share of the gates.
 */
export function loadsOf(tokens: readonly Pick<Token, 'ffn'>[], view: View, experts: number): number[] {
  const isSoft = areAllChosen(tokens, experts);
  const loads = new Array<number>(experts).fill(0);
  let total = 0;
  for (const { ffn } of tokens) {
    for (const { expert, gate } of view === 'all' ? ffn.flat() : (ffn[view] ?? [])) {
      const weight = isSoft ? gate : 1;
      loads[expert] = (loads[expert] ?? 0) + weight;
      total += weight;
    }
  }
  return loads.map((load) => (total > 0 ? load / total : 0));
}

/** Whether every token is sent to every expert, in all layers that have some. */
export function areAllChosen(tokens: readonly Pick<Token, 'ffn'>[], experts: number): boolean {
  const layers = tokens.flatMap(({ ffn }) => ffn.filter((chosen) => chosen.length > 0));
  return experts > 1 && layers.length > 0 && layers.every((chosen) => chosen.length === experts);
}

/** Perplexity of those tokens that have a probability; `undefined` where none has. */
export function perplexityOf(tokens: readonly Pick<Token, 'logProbability'>[]): number | undefined {
  const known = tokens.flatMap(({ logProbability }) => logProbability ?? []);
  return known.length ? Math.exp(-known.reduce((sum, value) => sum + value, 0) / known.length) : undefined;
}

/** Positions of a continuation at which another one has another token, or none. */
export function differences(base: readonly Token[], other: readonly Token[]): Set<number> {
  const differing = other.filter(({ position, id, text, isPrompt }) => {
    const same = base[position];
    return !isPrompt && (same?.id !== id || same.text !== text || same.isPrompt);
  });
  return new Set(differing.map(({ position }) => position));
}

export const NO_CHANGE: Change = { off: [], force: [] };

export type ChangeKind = keyof Change;

/** Layers whose routing can be changed: those of a view that have experts, as far as tokens show it. */
export function layersOf({ layers }: Pick<Model, 'layers'>, view: View, tokens: readonly Token[]): number[] {
  const all = Array.from({ length: layers }, (_, layer) => layer);
  // A token may be without experts in a layer where some were removed.
  const mixed = tokens.length ? all.filter((layer) => tokens.some(({ ffn }) => ffn[layer]?.length)) : all;
  return view === 'all' ? mixed : mixed.filter((layer) => layer === view);
}

/** Whether an expert is switched off or forced in all of these layers, in some, or in none. Layers that it was removed from don't count. */
export function stateOf(
  change: Change,
  kind: ChangeKind,
  expert: number,
  layers: readonly number[],
  removed: readonly Place[],
): 'all' | 'some' | 'none' {
  const here = layers.filter((layer) => !has(removed, { layer, expert }));
  const count = here.filter((layer) => has(change[kind], { layer, expert })).length;
  if (!count) return 'none';
  return count === here.length ? 'all' : 'some';
}

/** The change with an expert switched off or forced in all of these layers, or no longer where it was in all. */
export function toggled(
  change: Change,
  kind: ChangeKind,
  expert: number,
  layers: readonly number[],
  removed: readonly Place[],
): Change {
  const isOn = stateOf(change, kind, expert, layers, removed) !== 'all';
  const places = layers.map((layer) => ({ layer, expert })).filter((place) => !has(removed, place));
  const without = (list: readonly Place[]): Place[] => list.filter((place) => !has(places, place));
  if (!isOn) return { ...change, [kind]: without(change[kind]) };
  if (kind === 'off') return { off: [...without(change.off), ...places], force: without(change.force) };
  const others = change.force.filter(({ layer }) => !places.some((place) => place.layer === layer));
  return { off: without(change.off), force: [...others, ...places] };
}

function has(places: readonly Place[], { layer, expert }: Place): boolean {
  return places.some((place) => place.layer === layer && place.expert === expert);
}

export function isChanged({ off, force }: Change): boolean {
  return off.length + force.length > 0;
}

/** A change in words: `sums off in layers 0, 1; seed forced in layer 2`. */
export function describeChange(change: Change, { ffnExperts }: Pick<Model, 'ffnExperts'>): string {
  const kinds = [
    ['off', 'off'],
    ['force', 'forced'],
  ] as const;
  const parts = kinds.flatMap(([kind, word]) => {
    const experts = [...new Set(change[kind].map(({ expert }) => expert))].sort((a, b) => a - b);
    return experts.map((expert) => {
      const layers = change[kind].filter((place) => place.expert === expert).map(({ layer }) => layer);
      const list = layers.sort((a, b) => a - b).join(', ');
      return `${ffnExperts[expert]?.name ?? expert} ${word} in layer${layers.length > 1 ? 's' : ''} ${list}`;
    });
  });
  return parts.join('; ');
}
