import * as tf from '@tensorflow/tfjs';
import { linear } from '../engine/ops/linear';
import type { Architecture } from '../architecture/architecture';
import { biasName, EMBEDDING, FINAL_NORM, normName, OUTPUT_HEAD } from '../architecture/parameters';
import { inSection } from '../engine/graph/tape';
import { headLoss } from '../engine/ops/head-loss';
import { layerNorm, rmsNorm } from '../engine/ops/layer-norm';
import { embed } from '../engine/ops/rows';
import { attention, type AttentionCache, type AttentionOutput, type AttentionTables } from './attention';
import type { DrawTensors } from './draws';
import { ffn, type FfnContext, type FfnOutput } from './ffn';
import { matrix, vector } from './lookup';
import type { ModelParameters } from './parameters';
import { loadBalanceLoss, type RouterOutput, routerZLoss } from './routing';

/** What the last block says of every position, and what every router decided. */
export interface ForwardOutput {
  /** Normed, (B*T, E). */
  last: tf.Tensor2D;
  /** The output head, (V, E). */
  head: tf.Tensor2D;
  /** Attention and FFN routers and those of adapters, layer by layer; empty in a dense model without adapters. */
  routers: RouterOutput[];
  /** Of each layer. */
  inputs: BlockInputs[];
  /** The residual stream behind the embedding and behind every layer, (B*T, E) each. */
  states: tf.Tensor2D[];
}

/**
 * The forward pass, dense or mixture: every block adds attention(u) + ffn(u) of the same normed input u to the residual stream, unless
 * the architecture's `block` says otherwise.
 * `ids` (B*T) int32, whole sequences of the tables' context; each in 0..V-1 (checked by the caller). `draws` are given in training
 * alone: without them no router draws.
 */
export function forward(
  architecture: Architecture,
  parameters: ModelParameters,
  ids: tf.Tensor1D,
  tables: AttentionTables,
  draws?: DrawTensors,
): ForwardOutput {
  const routers: RouterOutput[] = [];
  const inputs: BlockInputs[] = [];
  let x = inSection('embedding', () => embed(matrix(parameters, EMBEDDING), ids)); // (B*T, E)
  const states = [x];
  let scores: tf.Tensor2D | undefined;
  for (let layer = 0; layer < architecture.layers; layer++) {
    const { sum, attended, transformed, read } = block(architecture, parameters, layer, x, {
      ...{ ids, tables, draws, scores },
    });
    x = sum;
    states.push(x);
    inputs.push(read);
    scores = transformed.router?.logits;
    const decided = [attended.router, ...attended.adapters, transformed.router, ...transformed.adapters];
    for (const router of decided) if (router) routers.push(router);
  }
  return { ...readout(architecture, parameters, x), routers, inputs, states };
}

/** What the output head reads of the residual stream behind the last block, (B*T, E), and the head, (V, E). */
export function readout(
  architecture: Architecture,
  parameters: ModelParameters,
  x: tf.Tensor2D,
): Pick<ForwardOutput, 'last' | 'head'> {
  const head = matrix(parameters, architecture.tiedEmbeddings ? EMBEDDING : OUTPUT_HEAD);
  const { logitScale } = architecture;
  const last = inSection('final_norm', () => {
    const normed = normalize(architecture, parameters, FINAL_NORM, x);
    return logitScale === undefined ? normed : (tf.mul(normed, logitScale) as tf.Tensor2D);
  });
  return { last, head };
}

/** What a block is given beside the residual stream. */
interface BlockContext extends FfnContext {
  ids: tf.Tensor1D;
  tables: AttentionTables;
}

/** What attention and FFN of a block, and their routers, read, (B*T, E); the same tensor where the block has one norm. */
export interface BlockInputs {
  attention: tf.Tensor2D;
  ffn: tf.Tensor2D;
}

/**
 * One block: what attention and FFN read and gave, and the residual stream after both. `x` (B*T, E); `scores` are those of the FFN router
 * before.
 */
function block(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
  x: tf.Tensor2D,
  { ids, tables, draws, scores }: BlockContext,
): { sum: tf.Tensor2D; attended: AttentionOutput; transformed: FfnOutput; read: BlockInputs } {
  const { attended, read, terms } = attend(architecture, parameters, layer, x, tables);
  const given = { draws, ids, scores };
  const transformed = inSection(`ffn${layer}`, () => ffn(architecture, parameters, layer, read.ffn, given));
  const sum = inSection(`sum${layer}`, () => tf.addN([...terms, transformed.output]));
  return { sum, attended, transformed, read };
}

/** A block up to its FFN. */
export interface AttendedBlock {
  attended: AttentionOutput;
  read: BlockInputs;
  /** What the output of the FFN is added to, (B*T, E) each. */
  terms: tf.Tensor2D[];
}

/** The part of a block before its FFN. `x` (B*T, E); with a `cache` the T positions follow those that it has. */
export function attend(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
  x: tf.Tensor2D,
  tables: AttentionTables,
  cache?: AttentionCache,
): AttendedBlock {
  const form = architecture.block;
  const norm = (input: tf.Tensor2D, before?: 'attention' | 'ffn'): tf.Tensor2D =>
    inSection(`norm${layer}`, () => normalize(architecture, parameters, normName(layer, before), input));
  const u = norm(x, form && 'attention');
  const attended = inSection(`attention${layer}`, () => attention(architecture, parameters, layer, u, tables, cache));
  const isSequential = form === 'sequential';
  const between = isSequential ? inSection(`sum${layer}`, () => tf.add<tf.Tensor2D>(x, attended.output)) : x;
  const v = form ? norm(between, 'ffn') : u;
  const terms = isSequential ? [between] : [x, attended.output];
  return { attended, read: { attention: u, ffn: v }, terms };
}

function normalize(
  { norm, normEpsilon, biases }: Architecture,
  parameters: ModelParameters,
  name: string,
  x: tf.Tensor2D,
): tf.Tensor2D {
  const normed = (norm === 'rms' ? rmsNorm : layerNorm)(x, vector(parameters, name), normEpsilon);
  return biases ? tf.add(normed, vector(parameters, biasName(name))) : normed;
}

/** The scores of every position's next token, (B*T, V). Training never needs them as such: see `headLoss`. */
export function logits({ last, head }: ForwardOutput): tf.Tensor2D {
  return linear(last, head);
}

/** The loss that training minimizes, and its parts before their coefficients (sums over layers; 0 in a dense model). */
export interface Losses {
  total: tf.Scalar;
  languageModel: tf.Scalar;
  loadBalance: tf.Scalar;
  routerZ: tf.Scalar;
}

/**
 * L = L_NLL + sum over mixture layers of (alpha L_LB + beta L_z), with alpha = `loadBalance` and beta = `routerZ`
 * (BAM, arXiv 2408.08274, section 3.3). Only routers that choose by scores are balanced: soft ones use every expert anyway. L_z is that
 * of FFN routers, and of attention routers that choose. L_NLL is the mean over targets, or with `weights` (B*T) the sum of weight times
 * loss.
 */
export function losses(
  output: ForwardOutput,
  targets: tf.Tensor1D,
  coefficients: { loadBalance: number; routerZ: number },
  weights?: tf.Tensor1D,
): Losses {
  const languageModel = inSection('head', () => headLoss(output.last, output.head, targets, weights));
  const routers = output.routers.filter(({ router, assigned, logits }) => logits && (router === 'ffn' || assigned));
  if (!routers.length) return { total: languageModel, languageModel, loadBalance: tf.scalar(0), routerZ: tf.scalar(0) };
  const balances = routers.filter(({ assigned }) => assigned).map(loadBalanceLoss);
  const loadBalance: tf.Scalar = balances.length ? tf.addN(balances) : tf.scalar(0);
  const routerZ = tf.addN(routers.map(routerZLoss));
  const total = tf.addN([
    languageModel,
    tf.mul(loadBalance, coefficients.loadBalance) as tf.Scalar,
    tf.mul(routerZ, coefficients.routerZ) as tf.Scalar,
  ]);
  return { total, languageModel, loadBalance, routerZ };
}
