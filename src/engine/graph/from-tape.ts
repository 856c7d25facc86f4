import type { TFEOpAttr, TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding';
import { EngineError } from '../../base/errors';
import type { AttributeValue, Graph } from './graph';
import { inputTypes } from './input-types';
import type { Tape, TapeOperation, TensorType } from './tape';

/** Where a tensor of the tape is in the graph, and its type. */
export interface Place {
  /** `node` or `node:output`. */
  at: string;
  dtype: number;
}

/**
 * Adds the operations of a tape on which `wanted` (ids) depend. `given` says where in the graph the tensors are that the tape's
 * code was given, by id. Nodes are called after their sections, `section/Operation_1`, which tells TensorFlow's messages and profiles
 * apart. With `xlaScope`, XLA compiles what has the same sizes in every step. Returns the places of `wanted`. Throws an `EngineError` (`unknown-tensor`) for a tensor that nobody made.
 */
export function addTape(
  graph: Graph,
  binding: TFJSBinding,
  tape: Tape,
  given: ReadonlyMap<number, Place>,
  wanted: readonly number[],
  xlaScope?: string,
): string[] {
  const dynamic = new DynamicSizes();
  const places = new Map(given);
  const needed = neededOperations(tape, wanted);
  const place = (id: number): Place => {
    const known = places.get(id);
    if (known) return known;
    const constant = tape.constants.get(id);
    if (!constant)
      throw new EngineError(`A step uses tensor ${id}, which was made before it.`, { reason: 'unknown-tensor' });
    const { dtype, shape, values } = constant;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const found = { at: graph.constant({ dtype, shape, bytes }), dtype };
    places.set(id, found);
    return found;
  };
  const sections = sectionsOf(needed);
  needed.forEach((operation, i) => {
    const inputs = operation.inputs.map(place);
    const attributes = completeAttributes(binding, operation, inputs);
    if (!dynamic.has(operation) && xlaScope) Object.assign(attributes, compiledBy(xlaScope));
    const name = graph.add(
      operation.name,
      inputs.map(({ at }) => at),
      attributes,
      `${sections[i]}/${operation.name}_${graph.nodes.length}`,
    );
    operation.outputs.forEach(({ id, dtype }, output) =>
      places.set(id, { at: output ? `${name}:${output}` : name, dtype }),
    );
  });
  return wanted.map((id) => place(id).at);
}

function compiledBy(scope: string): Record<string, AttributeValue> {
  return { _XlaCompile: { bool: true }, _XlaScope: { string: scope } };
}

const VIEWS = new Set(['Cast', 'Reshape', 'Transpose']);

/**
 * The section of each operation. Those of a backward pass were recorded outside of sections: they belong to the section whose tensors they use
 * (`backward/section`), else where the gradient came from.
 */
function sectionsOf(operations: readonly TapeOperation[]): string[] {
  const forward = new Map<number, string>();
  const backward = new Map<number, string>();
  return operations.map(({ name, section, inputs, outputs }) => {
    const firstOf = (map: ReadonlyMap<number, string>): string | undefined =>
      inputs.map((id) => map.get(id)).find((found) => found !== undefined);
    const found = section ?? firstOf(forward) ?? firstOf(backward) ?? 'step';
    // Another view of a tensor of the forward pass still tells where it is from.
    const isForward = section !== undefined || (VIEWS.has(name) && !inputs.some((id) => backward.has(id)));
    for (const { id } of outputs) (isForward ? forward : backward).set(id, found);
    // Parameters belong to the section that takes them first.
    if (section) for (const id of inputs) if (!forward.has(id)) forward.set(id, section);
    return section ?? `backward/${found}`;
  });
}

/** Follows tensors whose sizes the data decides: XLA would compile anew for each size. */
class DynamicSizes {
  private readonly ids = new Set<number>();

  /** True for an operation that makes, takes or ends such tensors. Ask in the order of the tape. */
  has({ name, inputs, outputs }: TapeOperation): boolean {
    const found = name === 'DynamicPartition' || inputs.some((id) => this.ids.has(id));
    // Rows that are put together again are as many as ever.
    if (found && name !== 'ParallelDynamicStitch') for (const { id } of outputs) this.ids.add(id);
    return found;
  }
}

/** The operations of which some result is used, in their order. */
function neededOperations(tape: Tape, wanted: readonly number[]): TapeOperation[] {
  const used = new Set(wanted);
  const needed: TapeOperation[] = [];
  for (const operation of [...tape.operations].reverse()) {
    if (!operation.outputs.some(({ id }) => used.has(id))) continue;
    for (const id of operation.inputs) used.add(id);
    needed.push(operation);
  }
  return needed.reverse();
}

/** The attributes as recorded; but types that follow from the inputs are those of the inputs, since tfjs may say another one. */
function completeAttributes(
  binding: TFJSBinding,
  operation: TapeOperation,
  inputs: readonly Pick<TensorType, 'dtype'>[],
): Record<string, AttributeValue> {
  const recorded = operation.attributes.map(
    (attribute) => [attribute.name, attributeValue(binding, attribute)] as const,
  );
  const attributes = Object.fromEntries(recorded);
  inputTypes(operation.name, attributes, inputs.length).forEach((attribute, i) => {
    if (attribute) attributes[attribute] = { type: inputs[i]!.dtype };
  });
  return attributes;
}

function attributeValue(binding: TFJSBinding, { name, type, value }: TFEOpAttr): AttributeValue {
  if (type === binding.TF_ATTR_TYPE) return { type: value as number };
  if (type === binding.TF_ATTR_INT) return Array.isArray(value) ? { ints: value } : { int: value as number };
  if (type === binding.TF_ATTR_BOOL) return { bool: value as boolean };
  if (type === binding.TF_ATTR_FLOAT) return { float: value as number };
  if (type === binding.TF_ATTR_STRING) return { string: value as string };
  if (type === binding.TF_ATTR_SHAPE) return { shape: value as number[] };
  throw new EngineError(`Attribute ${name} has a type that graphs do not know: ${type}.`, {
    reason: 'unknown-attribute',
  });
}
