import * as tf from '@tensorflow/tfjs';
import { sumOfSquares } from '../engine/ops/sum-of-squares';
import type { ModelParameters } from '../model/parameters';

export interface AdamWSettings {
  beta1: number;
  beta2: number;
  weightDecay: number;
}

/** Added to the root of the second moment, PyTorch's default. */
export const ADAMW_EPSILON = 1e-8;

/** Values of both moments on the host, as a checkpoint holds them. */
export interface Moments {
  first: Map<string, Float32Array>;
  second: Map<string, Float32Array>;
}

/**
 * Adam with decoupled weight decay (arXiv 1711.05101), in the order of operations of PyTorch's AdamW. Vectors (norm scales) do not decay.
 * A parameter without a gradient, such as an expert that no token chose, counts as one with gradient zero.
 */
export class AdamW {
  private readonly moments: Map<string, { first: tf.Variable; second: tf.Variable }>;

  constructor(
    private readonly parameters: ModelParameters,
    private readonly settings: AdamWSettings,
    moments?: Moments,
  ) {
    const start = (name: string, shape: number[], values?: Map<string, Float32Array>): tf.Variable =>
      tf.tidy(() => {
        const stored = values?.get(name);
        return tf.variable(stored ? tf.tensor(stored, shape) : tf.zeros(shape));
      });
    this.moments = new Map(
      [...parameters].map(([name, { shape }]) => [
        name,
        { first: start(name, shape, moments?.first), second: start(name, shape, moments?.second) },
      ]),
    );
  }

  /**
   * Updates every parameter. `gradients` by parameter name; each is multiplied by `gradientScale` first (for clipping).
   * `step` counts from 1.
   */
  apply(gradients: ReadonlyMap<string, tf.Tensor>, gradientScale: tf.Scalar, learningRate: number, step: number): void {
    const { beta1, beta2, weightDecay } = this.settings;
    const correction2 = Math.sqrt(1 - beta2 ** step);
    tf.tidy(() => {
      // Numbers become tensors once a step, not once an operation. The second moment's correction stands in the step size
      // and the epsilon, which spares a pass over every parameter.
      const scalars = {
        beta1: tf.scalar(beta1),
        beta2: tf.scalar(beta2),
        firstRate: tf.mul(gradientScale, 1 - beta1),
        secondRate: tf.mul(tf.square(gradientScale), 1 - beta2),
        epsilon: tf.scalar(ADAMW_EPSILON * correction2),
        stepSize: tf.scalar((learningRate * correction2) / (1 - beta1 ** step)),
        keep: tf.scalar(1 - learningRate * weightDecay),
      };
      for (const [name, variable] of this.parameters) {
        const { first, second } = this.moments.get(name)!;
        tf.tidy(() => {
          const gradient = gradients.get(name) ?? tf.zerosLike(variable);
          first.assign(tf.add(tf.mul(first, scalars.beta1), tf.mul(gradient, scalars.firstRate)));
          second.assign(tf.add(tf.mul(second, scalars.beta2), tf.mul(tf.square(gradient), scalars.secondRate)));
          const change = tf.mul(tf.div(first, tf.add(tf.sqrt(second), scalars.epsilon)), scalars.stepSize);
          variable.assign(tf.sub(variable.rank > 1 ? tf.mul(variable, scalars.keep) : variable, change));
        });
      }
    });
  }

  /** Both moments on the host. */
  read(): Moments {
    const values = (pick: 'first' | 'second'): Map<string, Float32Array> =>
      new Map([...this.moments].map(([name, moments]) => [name, moments[pick].dataSync<'float32'>()]));
    return { first: values('first'), second: values('second') };
  }

  dispose(): void {
    for (const { first, second } of this.moments.values()) tf.dispose([first, second]);
  }
}

/** The factor that brings gradients to a global norm of at most `clip` (as torch.nn.utils.clip_grad_norm_), and that norm. */
export function clipFactor(gradients: Iterable<tf.Tensor>, clip: number): { factor: tf.Scalar; norm: tf.Scalar } {
  const norm = tf.sqrt(sumOfSquares([...gradients]));
  return { factor: tf.minimum(1, tf.div(clip, tf.add(norm, 1e-6))) as tf.Scalar, norm };
}
