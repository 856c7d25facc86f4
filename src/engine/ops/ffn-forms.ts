import * as tf from '@tensorflow/tfjs';
import { gelu, geluSlope, normalDistribution } from './gelu';
import { linear } from './linear';
import { swiglu } from './swiglu';

/** The matrices of one SwiGLU FFN: gate and up (F, E), down (E, F). */
export interface SwigluWeights {
  gate: tf.Tensor2D;
  up: tf.Tensor2D;
  down: tf.Tensor2D;
}

/** One GELU FFN: up (F, E), down (E, F) and their biases (F) and (E). */
export interface GeluWeights {
  up: tf.Tensor2D;
  upBias: tf.Tensor1D;
  down: tf.Tensor2D;
  downBias: tf.Tensor1D;
}

/** How many tensors a SwiGLU FFN has. */
export const SWIGLU_TENSORS = 3;

export type FfnWeights = SwigluWeights | GeluWeights;

/** Changes what a projection of an FFN gives before its bias, or the inner activation: `x` (K, inputs) went in, `y` (K, outputs) came out. */
export type FfnChange = (place: 'gate' | 'up' | 'hidden' | 'down', x: tf.Tensor2D, y: tf.Tensor2D) => tf.Tensor2D;

/** One FFN, SwiGLU: down(silu(gate u) * up u), or GELU: down(gelu(up u)). (K, E) -> (K, E). */
export function denseFfn(u: tf.Tensor2D, weights: FfnWeights, change: FfnChange = (_, __, y) => y): tf.Tensor2D {
  const activated = (x: tf.Tensor2D): tf.Tensor2D => change('hidden', x, x);
  if ('gate' in weights) {
    const { gate, up, down } = weights;
    const hidden = activated(swiglu(change('gate', u, linear(u, gate)), change('up', u, linear(u, up))));
    return change('down', hidden, linear(hidden, down));
  }
  const { up, upBias, down, downBias } = weights;
  const raised: tf.Tensor2D = tf.add(change('up', u, linear(u, up)), upBias);
  const hidden = activated(gelu(raised));
  return tf.add(change('down', hidden, linear(hidden, down)), downBias);
}

/** An FFN with its gradient written out, for those who call it where tfjs records nothing. */
export interface FfnForm {
  /** Its tensors, in the order of `backward`'s gradients. */
  tensors: tf.Tensor[];
  /** (R, E) -> (R, E), and what `backward` needs beside rows and tensors: always as many. */
  forward(x: tf.Tensor2D): { output: tf.Tensor2D; saved: tf.Tensor[] };
}

/** The gradients of an FFN by its rows and its tensors. */
export interface FfnGradients {
  dx: tf.Tensor2D;
  dTensors: tf.Tensor[];
}

/** The form of one FFN's weights. */
export function formOf(weights: FfnWeights): FfnForm {
  return 'gate' in weights ? swigluForm(weights) : geluForm(weights);
}

/** The backward pass of `formOf(weights).forward`: `saved` and `tensors` are what that had. */
export function formGradients(
  dOutput: tf.Tensor2D,
  x: tf.Tensor2D,
  saved: tf.Tensor[],
  tensors: tf.Tensor[],
): FfnGradients {
  return tensors.length === SWIGLU_TENSORS
    ? swigluGradients(dOutput, x, saved as tf.Tensor2D[], tensors as tf.Tensor2D[])
    : geluGradients(dOutput, x, saved as tf.Tensor2D[], tensors as tf.Tensor2D[]);
}

function swigluForm({ gate, up, down }: SwigluWeights): FfnForm {
  return {
    tensors: [gate, up, down],
    forward: (x) => {
      const gated = linear(x, gate); // (R, F)
      const raised = linear(x, up); // (R, F)
      const sigmoid = tf.sigmoid(gated);
      const silu = tf.mul(gated, sigmoid);
      const hidden = tf.mul(silu, raised) as tf.Tensor2D; // (R, F)
      return { output: linear(hidden, down), saved: [sigmoid, silu, raised, hidden] };
    },
  };
}

function swigluGradients(
  dOutput: tf.Tensor2D,
  x: tf.Tensor2D,
  [sigmoid, silu, raised, hidden]: tf.Tensor2D[],
  [gate, up, down]: tf.Tensor2D[],
): FfnGradients {
  const dHidden = tf.matMul(dOutput, down!); // (R, F)
  // d silu / d gate = sigmoid + silu * (1 - sigmoid)
  const slope = tf.add(sigmoid!, tf.sub(silu!, tf.mul(silu!, sigmoid!)));
  const dGated = tf.mul(tf.mul(dHidden, raised!), slope) as tf.Tensor2D;
  const dRaised = tf.mul(dHidden, silu!) as tf.Tensor2D;
  return {
    dx: tf.add(tf.matMul(dGated, gate!), tf.matMul(dRaised, up!)),
    dTensors: [tf.matMul(dGated, x, true), tf.matMul(dRaised, x, true), tf.matMul(dOutput, hidden!, true)],
  };
}

function geluForm({ up, upBias, down, downBias }: GeluWeights): FfnForm {
  return {
    tensors: [up, upBias, down, downBias],
    forward: (x) => {
      const raised = tf.add(linear(x, up), upBias); // (R, F)
      const phi = normalDistribution(raised);
      const hidden = tf.mul(raised, phi) as tf.Tensor2D; // (R, F)
      return { output: tf.add(linear(hidden, down), downBias), saved: [raised, phi, hidden] };
    },
  };
}

function geluGradients(
  dOutput: tf.Tensor2D,
  x: tf.Tensor2D,
  [raised, phi, hidden]: tf.Tensor2D[],
  [up, , down]: tf.Tensor2D[],
): FfnGradients {
  const dRaised = tf.mul(tf.matMul(dOutput, down!), geluSlope(raised!, phi!)) as tf.Tensor2D; // (R, F)
  return {
    dx: tf.matMul(dRaised, up!),
    dTensors: [tf.matMul(dRaised, x, true), tf.sum(dRaised, 0), tf.matMul(dOutput, hidden!, true), tf.sum(dOutput, 0)],
  };
}
