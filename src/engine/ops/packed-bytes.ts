import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import { nativeBackend, typeAttribute } from './native';

/** The bytes of whole words as numbers from 0 to 255. `words` (W) int32, the first byte the lowest -> (4 W) float32. */
export function byteValues(words: tf.Tensor1D): tf.Tensor1D {
  const backend = nativeBackend();
  if (!backend) return tf.tensor1d(Float32Array.from(hostBytes(words)));
  return tf.tidy(() => asFloats(backend, asBytes(backend, words)));
}

/** Both halves of every byte as numbers from 0 to 15: first the lower ones of all, then the upper ones. `words` (W) int32 -> (8 W) float32. */
export function nibbleValues(words: tf.Tensor1D): tf.Tensor1D {
  const backend = nativeBackend();
  if (!backend) {
    const bytes = hostBytes(words);
    const values = new Float32Array(2 * bytes.length);
    bytes.forEach((byte, i) => {
      values[i] = byte & 15;
      values[bytes.length + i] = byte >> 4;
    });
    return tf.tensor1d(values);
  }
  // Faster than the operations on bits, of bytes as of words.
  return tf.tidy(() => {
    const bytes = asFloats(backend, asBytes(backend, words));
    const upper = tf.floor(tf.mul(bytes, 1 / 16)) as tf.Tensor1D;
    return tf.concat([tf.sub(bytes, tf.mul(upper, 16)) as tf.Tensor1D, upper]);
  });
}

function hostBytes(words: tf.Tensor1D): Uint8Array {
  const values = words.dataSync<'int32'>();
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** tfjs has no type for bytes, and takes such a tensor for int32: it must not leave this file. (W) int32 -> (W, 4). */
function asBytes(backend: NodeJSKernelBackend, words: tf.Tensor1D): tf.Tensor {
  const attributes = [typeAttribute(backend, 'T', 'int32'), byteAttribute(backend, 'type')];
  return backend.executeSingleOutput('Bitcast', attributes, [words]);
}

function asFloats(backend: NodeJSKernelBackend, bytes: tf.Tensor): tf.Tensor1D {
  const attributes = [byteAttribute(backend, 'SrcT'), typeAttribute(backend, 'DstT', 'float32')];
  return tf.reshape(backend.executeSingleOutput('Cast', attributes, [bytes]), [-1]);
}

function byteAttribute(backend: NodeJSKernelBackend, name: string) {
  return { name, type: backend.binding.TF_ATTR_TYPE, value: backend.binding.TF_UINT8 };
}
