import type { ModelConfig } from '../config/schema';
import { ffnShare } from './zero-computation';

/** How the mixture's experts are arranged; absent in a dense model. */
export interface MixtureArchitecture {
  experts: number;
  /** FFN experts that a token is sent to: all of them with soft routing. */
  ffnTopK: number;
  gate: 'softmax-topk' | 'topk-softmax';
  /** `averaged` has one attention for all (BTX); the others are BAM's attention experts. */
  attention: 'averaged' | 'kv-experts' | 'shared-kv';
  /**
   * How FFN routers send tokens where it is not to the `ffnTopK` best: to all, to one that is drawn, or without a router to one that
   * follows from the token's id.
   */
  ffnRouting?: 'soft' | 'sample-top-1' | 'hash';
  /** With `hash`, what the tables from token ids to experts follow from. */
  hashSeed?: number;
  /** Attention experts whose output a token gets. Absent: all of them. */
  attentionTopK?: number;
  /** What is changed in the FFN routers. */
  router?: RouterChanges;
  /** FFN experts that were removed. Absent where none ever was. */
  pruned?: PrunedExperts;
  /** Further experts of the FFN routers, which compute next to nothing. Only where each token goes to its best experts. */
  zeroComputation?: ZeroComputation;
  /** Every FFN router but the first adds a part that follows from the scores of the one before. */
  gatingResidual?: true;
}

/** How many experts of each kind there are beside those with an FFN (MoE++, arXiv 2410.07348). */
export interface ZeroComputation {
  /** Give nothing. */
  zero: number;
  /** Give their input. */
  copy: number;
  /** Give a weighted sum of their input and a vector of their own. */
  constant: number;
  /** The weight of zero-computation experts in load balancing; FFN experts have 1. The smaller, the less go to FFN experts. */
  tau: number;
  /** How many times its share of a training sequence's choices an expert takes at most. Absent: all. */
  capacity?: number;
}

/** FFN experts without tensors. Their routers keep all columns, so that an expert's number stays what it was. */
export interface PrunedExperts {
  /** By layer, in ascending order. Plans only know how many there will be: in them the last experts stand for those. */
  experts: number[][];
  /**
   * What becomes of tokens that the router sends to a removed expert: `zero` passes them on in the residual stream alone, `masked` lets
   * the router choose among the remaining experts, as if the others had no columns.
   */
  routing: 'zero' | 'masked';
}

/** Changes of the FFN routers, each absent where it is not made. */
export interface RouterChanges {
  /** The deviation that the logits of every token are brought to. */
  normalizeLogits?: number;
  /** By how much a step moves the bias that balances the experts' load. With it every FFN router has such a bias. */
  balanceBias?: number;
  /** In training the router's input is multiplied by uniform numbers that are this far from 1 at most. */
  noise?: number;
}

/** Small modules that train while the model that they adapt stays as it is: MoV or MoLoRA (arXiv 2309.05444). All experts are used. */
export interface AdapterArchitecture {
  /** `mov` multiplies by a mixture of (IA)^3 vectors, `molora` adds a mixture of low-rank products. */
  method: 'mov' | 'molora';
  /** With one there is no router: plain (IA)^3 or LoRA. */
  experts: number;
  /** Of each product of `molora`. */
  rank?: number;
  /** `molora` multiplies its products by alpha / rank. */
  alpha?: number;
  parts: AdaptedPart[];
}

/** The parts of a block that may have adapters. */
export const ADAPTED_PARTS = ['attention', 'ffn'] as const;
export type AdaptedPart = (typeof ADAPTED_PARTS)[number];

/** How attention and FFN of a block follow each other, N being its norms: `x + attn(N x) + ffn(N x)` where this is absent. */
export type BlockForm =
  /** x + attn(N1 x) + ffn(N2 x). */
  | 'parallel-two-norms'
  /** y + ffn(N2 y) with y = x + attn(N1 x). */
  | 'sequential';

/**
 * In what an imported model differs from the program's own form. All absent there, so that they change no key and no checkpoint
 * of a model that does not need them.
 */
export interface ArchitectureVariant {
  block?: BlockForm;
  /** `rms` divides by the root mean square and does not subtract the mean. */
  norm?: 'rms';
  /** `gelu` is down(gelu(up(u))), with the exact error function. */
  ffn?: 'gelu';
  /** Norms, projections of attention and matrices of FFNs add a bias. Only with `gelu`. */
  biases?: true;
  /** Rotary positions turn only so many dimensions of a head (even): those whose index modulo headSize / 2 is below half of it. */
  rotaryDimensions?: number;
  /** Multiplies the output head's scores. */
  logitScale?: number;
}

/** Everything that fixes a model's parameters and its forward pass. */
export interface Architecture extends ArchitectureVariant {
  layers: number;
  width: number;
  heads: number;
  kvHeads: number;
  ffnHidden: number;
  context: number;
  vocabulary: number;
  tiedEmbeddings: boolean;
  ropeBase: number;
  normEpsilon: number;
  mixture?: MixtureArchitecture;
  /** With them only they train: every other parameter is frozen. */
  adapters?: AdapterArchitecture;
}

/**
 * The dense architecture of an experiment whose model says its shape. `vocabulary` is the tokenizer's size, unless the file asks for
 * more rows.
 */
export function denseArchitecture(model: ModelConfig, vocabulary: number): Architecture {
  const { layers, width, heads, ffnHidden, context, tiedEmbeddings, ropeBase, normEpsilon } = model;
  return {
    layers: layers!,
    width: width!,
    heads: heads!,
    kvHeads: model.kvHeads ?? heads!,
    ffnHidden: ffnHidden!,
    context,
    vocabulary: Math.max(vocabulary, model.vocabulary ?? 0),
    tiedEmbeddings,
    ropeBase,
    normEpsilon,
  };
}

/** Size of one attention head. */
export function headSize(architecture: Architecture): number {
  return architecture.width / architecture.heads;
}

/** How many sets of query and output projections attention has: one for each expert in BAM, else one. */
export function attentionExperts(architecture: Architecture): number {
  const mixture = architecture.mixture;
  return mixture && mixture.attention !== 'averaged' ? mixture.experts : 1;
}

/** How many attention experts a token's output is made of. */
export function attentionExpertsPerToken(architecture: Architecture): number {
  return architecture.mixture?.attentionTopK ?? attentionExperts(architecture);
}

/** Whether every token of a layer goes to all FFN experts. BTX's sampling leaves layer 0 soft (arXiv 2403.07816, section 3). */
export function hasSoftFfn(mixture: MixtureArchitecture, layer: number): boolean {
  return mixture.ffnRouting === 'soft' || (mixture.ffnRouting === 'sample-top-1' && !samplesFfn(mixture, layer));
}

/** Whether the FFN expert of every token of a layer is drawn in training. */
export function samplesFfn({ ffnRouting }: MixtureArchitecture, layer: number): boolean {
  return ffnRouting === 'sample-top-1' && layer > 0;
}

/** The FFN experts that a layer has lost. */
export function removedExperts({ pruned }: MixtureArchitecture, layer: number): readonly number[] {
  return pruned?.experts[layer] ?? [];
}

/** The FFN experts that a layer has, in ascending order. */
export function remainingExperts(mixture: MixtureArchitecture, layer: number): number[] {
  const removed = removedExperts(mixture, layer);
  return Array.from({ length: mixture.experts }, (_, expert) => expert).filter((expert) => !removed.includes(expert));
}

/** Whether the FFNs have routers with scores: hash routing has tables. */
export function hasFfnRouter(mixture: MixtureArchitecture): boolean {
  return mixture.ffnRouting !== 'hash';
}

/** How many FFN experts compute a token in a layer, at most: none for one that is sent to a removed expert. */
export function ffnExpertsPerToken(mixture: MixtureArchitecture, layer: number): number {
  const remaining = mixture.experts - removedExperts(mixture, layer).length;
  return hasSoftFfn(mixture, layer) ? remaining : Math.min(mixture.ffnTopK, remaining);
}

/**
 * How many FFN experts compute a token in a layer on average: with removed experts to which tokens are still sent, as if each of the
 * layer's experts, removed or not, were chosen equally often; with zero-computation experts, as if the router were balanced.
 */
export function meanFfnExpertsPerToken(mixture: MixtureArchitecture, layer: number): number {
  const { pruned, experts, ffnTopK, zeroComputation } = mixture;
  const left = experts - removedExperts(mixture, layer).length;
  if (zeroComputation) {
    const all = pruned?.routing === 'zero' ? experts : left;
    const sent = ffnTopK * ffnShare({ experts: all, zeroComputation });
    return left === all ? sent : (sent * left) / all;
  }
  if (pruned?.routing !== 'zero' || hasSoftFfn(mixture, layer)) return ffnExpertsPerToken(mixture, layer);
  return (ffnTopK * left) / experts;
}

/** How many sets of key and value projections attention has: one for each expert with KV experts, else one. */
export function keyValueExperts(architecture: Architecture): number {
  return architecture.mixture?.attention === 'kv-experts' ? architecture.mixture.experts : 1;
}
