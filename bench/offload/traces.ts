import { uniformGenerator } from '../../src/base/random';
import type { LayerRouting, RoutingTrace, TokenRouting } from '../../src/offload/trace';
import { MIXTRAL } from './machines';

export interface Synthetic {
  /** The popularity of the i-th best liked expert of a layer in a text is 1 / i to this power: 0 for none. */
  skew: number;
  /** How often a choice is that of the token before. */
  sticks: number;
  /** How often a choice one, two and three layers ahead is foreseen. */
  foreseen: readonly number[];
  sequences: number;
  prompt: number;
  tokens: number;
  seed: number;
}

/** What HOBBIT (arXiv 2411.01433) publishes of Mixtral: 67, 30 and 3 % of all choices are wanted high, low and not at all. */
const GATE_RANGES = [
  { share: 0.34, from: 0.5, to: 0.6 },
  { share: 0.6, from: 0.6, to: 0.9 },
  { share: 0.06, from: 0.9, to: 1 },
];

/** Routing that is drawn with a stated skew and locality, with the published shares of precisions. */
export function syntheticTrace({ skew, sticks, foreseen, sequences, prompt, tokens, seed }: Synthetic): RoutingTrace {
  const uniform = uniformGenerator(seed);
  const { layers, experts } = MIXTRAL;
  const texts = Array.from({ length: sequences }, () => {
    const liked = Array.from({ length: layers }, () => popularity(experts, skew, uniform));
    let before: number[][] = [];
    const choices = Array.from({ length: tokens }, (): LayerRouting[] => {
      const chosen = liked.map((weights, layer) => draw(weights, before[layer], sticks, uniform));
      before = chosen;
      return chosen.map((pair) => ({ experts: pair, gates: gates(uniform) }));
    });
    return { prompt, tokens: choices.map((token) => withPredictions(token, foreseen, uniform)) };
  });
  return { layers, experts, sequences: texts };
}

function popularity(experts: number, skew: number, uniform: () => number): number[] {
  const order = Array.from({ length: experts }, (_, expert) => ({ expert, key: uniform() })).sort(
    (a, b) => a.key - b.key,
  );
  const weights = new Array<number>(experts).fill(0);
  order.forEach(({ expert }, i) => (weights[expert] = 1 / (i + 1) ** skew));
  return weights;
}

/** Two different experts; each may be the one that the token before had at its place. */
function draw(
  weights: readonly number[],
  before: readonly number[] | undefined,
  sticks: number,
  uniform: () => number,
): number[] {
  const pair: number[] = [];
  for (let place = 0; place < MIXTRAL.topK; place++) {
    const last = before?.[place];
    if (last !== undefined && !pair.includes(last) && uniform() < sticks) pair.push(last);
    else pair.push(drawOther(weights, pair, uniform));
  }
  return pair;
}

function drawOther(weights: readonly number[], taken: readonly number[], uniform: () => number): number {
  const open = weights.map((weight, expert) => (taken.includes(expert) ? 0 : weight));
  let rest = uniform() * open.reduce((sum, weight) => sum + weight, 0);
  const found = open.findIndex((weight) => weight > 0 && (rest -= weight) <= 0);
  return found < 0 ? open.findLastIndex((weight) => weight > 0) : found;
}

function gates(uniform: () => number): number[] {
  let rest = uniform();
  const range = GATE_RANGES.find(({ share }) => (rest -= share) <= 0) ?? GATE_RANGES[1]!;
  const first = range.from + uniform() * (range.to - range.from);
  return [first, 1 - first];
}

/** A choice that is not foreseen is foreseen as another expert. */
function withPredictions(layers: LayerRouting[], foreseen: readonly number[], uniform: () => number): TokenRouting {
  const even = new Array<number>(MIXTRAL.experts).fill(1);
  const predictions = layers.map((_, layer) =>
    layers.slice(layer + 1, layer + 1 + foreseen.length).map(({ experts, gates: own }, ahead): LayerRouting => {
      const seen: number[] = [];
      for (const expert of experts) {
        const isRight = uniform() < foreseen[ahead]! && !seen.includes(expert);
        seen.push(isRight ? expert : drawOther(even, [...seen, ...experts], uniform));
      }
      return { experts: seen, gates: own };
    }),
  );
  return { layers, predictions };
}

/** As many experts, none of them one of these. */
function others(experts: readonly number[], uniform: () => number): number[] {
  const even = new Array<number>(MIXTRAL.experts).fill(1);
  const found: number[] = [];
  while (found.length < experts.length) found.push(drawOther(even, [...experts, ...found], uniform));
  return found;
}

/**
 * A trace of one of our mixtures with as many layers as Mixtral has: layer l is layer l modulo n of the small one, of a text that many texts further
 * on. So choices keep their skew, their locality from token to token and what is foreseen within the n layers; copies of a layer are
 * independent. What the last of n layers foresees of the first of the next n is what that one chooses in a share `foreseen` of tokens.
 */
export function stretchedTrace(trace: RoutingTrace, foreseen: number, seed: number): RoutingTrace {
  const uniform = uniformGenerator(seed);
  const { layers, experts } = MIXTRAL;
  const { sequences } = trace;
  const stretched = sequences.map(({ prompt, tokens }, text) => ({
    prompt,
    tokens: tokens.map((_, at): TokenRouting => {
      const source = (layer: number): TokenRouting =>
        sequences[(text + Math.floor(layer / trace.layers)) % sequences.length]!.tokens[at]!;
      const chosen = Array.from({ length: layers }, (__, layer) => source(layer).layers[layer % trace.layers]!);
      const predictions = chosen.map((__, layer) => {
        const own = source(layer).predictions[layer % trace.layers]!;
        if (own.length || layer === layers - 1) return own;
        const next = chosen[layer + 1]!;
        const isRight = uniform() < foreseen;
        return [isRight ? next : { ...next, experts: others(next.experts, uniform) }];
      });
      return { layers: chosen, predictions };
    }),
  }));
  return { layers, experts, sequences: stretched };
}
