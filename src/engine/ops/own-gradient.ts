import * as tf from '@tensorflow/tfjs';

/** What an operation's forward pass gives: its value, and the tensors that its gradient needs. */
export interface ForwardPass<T extends tf.Tensor> {
  value: T;
  saved: tf.Tensor[];
}

/**
 * An operation with a gradient of its own. tfjs records neither the operations inside `forward` nor their intermediate
 * tensors: only `saved` lives on until `backward` turns the gradient of the value into one gradient for each input.
 * `backward` runs once, gives new tensors, and finds `saved` freed after it. Whatever it needs goes through `saved`, indices included: a tensor that it merely closes over may be freed by then.
 */
export function ownGradient<T extends tf.Tensor>(
  inputs: tf.Tensor[],
  forward: () => ForwardPass<T>,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[],
): T {
  const operation = tf.customGrad((...received) => {
    const save = received.at(-1) as unknown as (tensors: tf.Tensor[]) => void;
    const { value, saved } = forward();
    save(saved);
    const gradFunc = (dy: tf.Tensor, kept: tf.Tensor[]): tf.Tensor[] => {
      const gradients = backward(dy, kept);
      // tfjs would keep them until the whole backward pass is done.
      tf.dispose(kept);
      return gradients;
    };
    return { value, gradFunc };
  });
  return operation(...inputs) as T;
}
