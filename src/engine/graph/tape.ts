import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import type { TFEOpAttr, TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding';
import { EngineError } from '../../base/errors';

/** A tensor as the binding knows it. `dtype` is TensorFlow's number for the type. */
export interface TensorType {
  shape: number[];
  dtype: number;
}

/** One operation that ran: tensors are named by the binding's ids, which are never used twice. */
export interface TapeOperation {
  name: string;
  /** The part of the code that took it, as `inSection` names it. */
  section?: string;
  attributes: TFEOpAttr[];
  inputs: number[];
  outputs: (TensorType & { id: number })[];
}

/** A tensor that host code made of numbers. */
export interface TapeConstant extends TensorType {
  values: Float32Array | Int32Array | Uint8Array;
}

/** Everything that the binding was asked to do while some code ran. */
export interface Tape {
  operations: TapeOperation[];
  constants: Map<number, TapeConstant>;
}

let openSection: string | undefined;

/**
 * Runs `code`, a section of a model; operations that are recorded meanwhile are known by its name. Tensors that it makes and does not give
 * back, in objects and arrays, are freed, but for those that a gradient needs: an evaluation at L with KV experts took 540 MB a sequence
 * without that, and takes 18.
 */
export function inSection<T extends object>(name: string, code: () => T): T {
  const outer = openSection;
  openSection = name;
  try {
    return tf.tidy(code as () => T & tf.TensorContainerObject);
  } finally {
    openSection = outer;
  }
}

/** Tensors of the tape that the code was given, by id, each with a name of the caller's. */
export type Leaves = ReadonlyMap<number, string>;

/**
 * Runs `code` and writes down every operation that it has TensorFlow do. Throws an `EngineError` (`host-read`) where the code
 * looks at numbers that it computed: a graph could not follow it there.
 */
export function record<T>(backend: NodeJSKernelBackend, code: () => T): { result: T; tape: Tape } {
  const { binding } = backend;
  const tape: Tape = { operations: [], constants: new Map() };
  const wrapped = Object.create(binding, {
    executeOp: { value: recordOperation(binding, tape) },
    createTensor: { value: recordConstant(binding, tape) },
    tensorDataSync: { value: refuseRead(tape) },
  }) as TFJSBinding;
  const place = backend as { binding: TFJSBinding };
  place.binding = wrapped;
  try {
    return { result: code(), tape };
  } finally {
    place.binding = binding;
  }
}

function recordOperation(binding: TFJSBinding, { operations }: Tape): TFJSBinding['executeOp'] {
  return (name, attributes, inputs, count) => {
    const outputs = binding.executeOp(name, attributes, inputs, count);
    operations.push({
      name,
      ...(openSection && { section: openSection }),
      attributes,
      inputs: [...inputs],
      outputs: outputs.map((output) => ({ ...output })),
    });
    return outputs;
  };
}

function recordConstant(binding: TFJSBinding, { constants }: Tape): TFJSBinding['createTensor'] {
  return (shape, dtype, values) => {
    const id = binding.createTensor(shape, dtype, values);
    constants.set(id, { shape: [...shape], dtype, values: values as TapeConstant['values'] });
    return id;
  };
}

function refuseRead({ operations }: Tape): TFJSBinding['tensorDataSync'] {
  return () => {
    const last = operations.at(-1)?.name ?? 'the beginning';
    throw new EngineError(
      `A step that becomes a graph reads numbers back, after operation ${operations.length} (${last}).`,
      {
        reason: 'host-read',
      },
    );
  };
}

/** The binding's id of a tensor; uploads it first where it is on the host still. */
export function tensorId(backend: NodeJSKernelBackend, tensor: { dataId: object }): number {
  const { getInputTensorIds } = backend as unknown as { getInputTensorIds: (tensors: object[]) => number[] };
  return getInputTensorIds.call(backend, [tensor])[0]!;
}
