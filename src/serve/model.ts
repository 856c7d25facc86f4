import * as tf from '@tensorflow/tfjs';
import { type Architecture, headSize } from '../architecture/architecture';
import { isOfAttention, isOfFfnExpert } from '../architecture/parameters';
import { type RotaryTable, rotaryTable } from '../engine/ops/rotary';
import { type AttentionWeights, attentionWeights } from '../model/attention';
import { createParameters, disposeParameters, type ModelParameters, type ParameterValues } from '../model/parameters';
import { type LayerRouter, layerRouters } from './choose-experts';
import type { ExpertSource } from './experts';
import { residentExperts } from './resident-experts';

/** A model that continues sequences. */
export interface DecodingModel {
  architecture: Architecture;
  /** All but the projections of attention and the FFN experts. */
  parameters: ModelParameters;
  /** Of each layer. */
  attention: AttentionWeights[];
  /** Of all positions of the context. */
  rotary: RotaryTable;
  /** Of each layer. */
  routers: LayerRouter[];
  /** Of a mixture. */
  experts: ExpertSource;
}

/** Makes a model of host values. Throws as `createParameters` does. */
export function decodingModel(
  architecture: Architecture,
  values: ParameterValues,
  experts: ExpertSource = residentExperts(architecture, values),
): DecodingModel {
  const { layers, context, ropeBase, rotaryDimensions } = architecture;
  const numbers = Array.from({ length: layers }, (_, layer) => layer);
  return {
    architecture,
    parameters: createParameters(architecture, values, (spec) => !isOfAttention(spec) && !isOfFfnExpert(spec)),
    attention: attentionOf(architecture, values, numbers),
    rotary: rotaryTable(context, headSize(architecture), ropeBase, rotaryDimensions),
    routers: layerRouters(architecture, values),
    experts,
  };
}

/** The projections of all layers as passes use them; those that they were made from are freed. */
function attentionOf(architecture: Architecture, values: ParameterValues, layers: number[]): AttentionWeights[] {
  const parameters = createParameters(architecture, values, isOfAttention);
  const weights = tf.tidy(() =>
    layers.map((layer) => {
      const { biases, ...projections } = attentionWeights(architecture, parameters, layer);
      return { ...cloned(projections), ...(biases && { biases: cloned(biases) }) };
    }),
  );
  disposeParameters(parameters);
  return weights;
}

/** The same tensors, which stay when the given ones are freed. */
function cloned<T extends Record<string, tf.Tensor>>(tensors: T): T {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tf.clone(tensor)])) as T;
}

/** Frees a model, its experts too. */
export function disposeModel({ parameters, attention, rotary, experts }: DecodingModel): void {
  disposeParameters(parameters);
  for (const { biases, ...projections } of attention) tf.dispose([projections, biases ?? []] as tf.NamedTensorMap[]);
  tf.dispose([rotary.cosine, rotary.sine]);
  experts.dispose();
}
