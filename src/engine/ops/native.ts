import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';

type Attribute = Parameters<NodeJSKernelBackend['executeSingleOutput']>[1][number];

/** The native TensorFlow backend if it is the one in use, else `undefined`; operations then take their portable form. */
export function nativeBackend(): NodeJSKernelBackend | undefined {
  return tf.getBackend() === 'tensorflow' ? (tf.backend() as NodeJSKernelBackend) : undefined;
}

/** A type attribute of a TensorFlow operation. */
export function typeAttribute(
  backend: NodeJSKernelBackend,
  name: string,
  dtype: 'float32' | 'int32' | 'complex64',
): Attribute {
  const value = backend.getDTypeInteger(dtype);
  return { name, type: backend.binding.TF_ATTR_TYPE, value };
}

/** A whole-number attribute of a TensorFlow operation. */
export function intAttribute(backend: NodeJSKernelBackend, name: string, value: number): Attribute {
  return { name, type: backend.binding.TF_ATTR_INT, value };
}

/** A yes-or-no attribute of a TensorFlow operation. */
export function boolAttribute(backend: NodeJSKernelBackend, name: string, value: boolean): Attribute {
  return { name, type: backend.binding.TF_ATTR_BOOL, value };
}
