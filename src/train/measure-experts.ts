import * as tf from '@tensorflow/tfjs';
import { type Architecture, hasSoftFfn, remainingExperts } from '../architecture/architecture';
import { deriveSeed } from '../base/random';
import { MixtureSampler } from '../data/mixture';
import type { OpenDomain } from '../data/prepare';
import { attentionTables } from '../model/attention';
import type { ModelParameters } from '../model/parameters';
import { forward } from '../model/transformer';
import { trainingText } from './batches';
import { expertOutputs, linearCka } from './expert-similarity';

/** A mixture on text that it may have trained on. */
export interface MeasuredMixture {
  architecture: Architecture;
  parameters: ModelParameters;
  domains: ReadonlyMap<string, OpenDomain>;
  /** Weight of each domain. */
  mix: Readonly<Record<string, number>>;
  /** Rounded up to whole sequences. */
  tokens: number;
  seed: number;
}

/** How a layer's experts did; lists are in the order of the experts that the layer has. */
export interface LayerMeasures {
  experts: number[];
  /** Share of tokens that were sent to each; with soft routing its mean gate. */
  usage: number[];
  /** Mean over an expert's tokens of gate times the norm of its output (REAP, arXiv 2510.13999); 0 for one without tokens. */
  activation: number[];
  /** Linear CKA of what every two experts make of all tokens; asked for only. */
  similarity?: number[][];
}

/** What a layer's experts read and what its router said, on the host. */
interface LayerSample {
  /** (tokens x width) */
  inputs: Float32Array[];
  /** (tokens x columns), 0 for experts that a token was not sent to. */
  gates: Float32Array[];
}

/**
 * Sends a sample of training text through a mixture and measures its experts, layer by layer. All experts compute all tokens, since those
 * that the router chose are other tokens for every expert. The sample follows from the seed.
 */
export function measureExperts(mixture: MeasuredMixture, withSimilarity: boolean): LayerMeasures[] {
  const samples = sampleLayers(mixture);
  return samples.map((sample, layer) => measureLayer(mixture, layer, sample, withSimilarity));
}

function sampleLayers({ architecture, parameters, domains, mix, tokens, seed }: MeasuredMixture): LayerSample[] {
  const { context, layers } = architecture;
  const sampler = new MixtureSampler(trainingText(mix, domains), context, deriveSeed(seed, 'prune', 'sample'));
  const samples = Array.from({ length: layers }, (): LayerSample => ({ inputs: [], gates: [] }));
  for (let sequence = 0; sequence < Math.ceil(tokens / context); sequence++) {
    tf.tidy(() => {
      const ids = tf.tensor1d(sampler.next(1).inputs, 'int32');
      const { inputs, routers } = forward(architecture, parameters, ids, attentionTables(architecture, context));
      for (const { layer, router, probabilities, chosen } of routers) {
        if (router !== 'ffn') continue;
        samples[layer]!.inputs.push(inputs[layer]!.ffn.dataSync<'float32'>());
        const sent: tf.Tensor2D = chosen ? tf.mul(probabilities, chosen) : probabilities;
        const gates = architecture.mixture!.gate === 'topk-softmax' ? tf.div(sent, tf.sum(sent, 1, true)) : sent;
        samples[layer]!.gates.push(gates.dataSync<'float32'>());
      }
    });
  }
  return samples;
}

function measureLayer(
  { architecture, parameters }: MeasuredMixture,
  layer: number,
  sample: LayerSample,
  withSimilarity: boolean,
): LayerMeasures {
  return tf.tidy(() => {
    const experts = remainingExperts(architecture.mixture!, layer);
    const u = tf.concat(sample.inputs.map((part) => tf.tensor2d(part, [architecture.context, architecture.width])));
    const outputs = expertOutputs(architecture, parameters, layer, u);
    const norms = outputs.map((output) => tf.norm(output, 2, 1).dataSync<'float32'>());
    const isSoft = hasSoftFfn(architecture.mixture!, layer);
    const measures = experts.map((expert, i) => measureExpert(sample.gates, norms[i]!, expert, isSoft));
    return {
      experts,
      usage: measures.map(({ usage }) => usage),
      activation: measures.map(({ activation }) => activation),
      ...(withSimilarity && { similarity: linearCka(outputs) }),
    };
  });
}

function measureExpert(
  gates: readonly Float32Array[],
  norms: Float32Array,
  expert: number,
  isSoft: boolean,
): { usage: number; activation: number } {
  let [sent, gate, saliency] = [0, 0, 0];
  let token = 0;
  for (const part of gates) {
    const columns = part.length / (norms.length / gates.length);
    for (let at = expert; at < part.length; at += columns, token++) {
      if (part[at] === 0) continue;
      sent++;
      gate += part[at]!;
      saliency += part[at]! * norms[token]!;
    }
  }
  return { usage: (isSoft ? gate : sent) / norms.length, activation: sent ? saliency / sent : 0 };
}
