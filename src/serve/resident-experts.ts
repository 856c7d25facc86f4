import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import { isOfFfnExpert } from '../architecture/parameters';
import { denseFfn } from '../engine/ops/ffn-forms';
import { ffnWeights } from '../model/ffn';
import { createParameters, disposeParameters, type ParameterValues } from '../model/parameters';
import type { ExpertSource } from './experts';

/** FFN experts that are all in memory. */
export function residentExperts(architecture: Architecture, values: ParameterValues): ExpertSource {
  const parameters = createParameters(architecture, values, isOfFfnExpert);
  return {
    prepare: () => Promise.resolve(),
    ffn: (layer, expert, rows) => {
      const weights = ffnWeights(architecture, parameters, layer, expert);
      return Promise.resolve(tf.tidy(() => denseFfn(rows, weights)));
    },
    dispose: () => disposeParameters(parameters),
  };
}
