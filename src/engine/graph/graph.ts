import { Message } from './protobuf';

/** TensorFlow's numbers of the types in use (types.proto). */
export const TYPE = { float32: 1, float64: 2, int32: 3, bool: 10, resource: 20 } as const;

/** The value of a node's attribute (attr_value.proto). */
export type AttributeValue =
  | { type: number }
  | { int: number }
  | { ints: number[] }
  | { float: number }
  | { bool: boolean }
  | { string: string }
  | { shape: number[] }
  | { tensor: ConstantValue };

/** A constant tensor: its numbers as bytes. */
export interface ConstantValue {
  dtype: number;
  shape: number[];
  bytes: Uint8Array;
}

/** One operation of a graph. Inputs are `node`, `node:output` or, for control edges, `^node`. */
export interface GraphNode {
  name: string;
  operation: string;
  inputs: string[];
  attributes: Record<string, AttributeValue>;
}

/** A TensorFlow graph that is being written. Equal constants become one node. */
export class Graph {
  readonly nodes: GraphNode[] = [];
  private readonly constants = new Map<string, string>();

  /** Adds an operation and returns its name, which stands for its first result. */
  add(
    operation: string,
    inputs: string[],
    attributes: Record<string, AttributeValue> = {},
    name = `${operation}_${this.nodes.length}`,
  ): string {
    this.nodes.push({ name, operation, inputs, attributes });
    return name;
  }

  constant(value: ConstantValue): string {
    const key = `${value.dtype} ${value.shape} ${Buffer.from(value.bytes).toString('base64')}`;
    const known = this.constants.get(key);
    if (known) return known;
    const name = this.add('Const', [], { dtype: { type: value.dtype }, value: { tensor: value } });
    this.constants.set(key, name);
    return name;
  }

  /** A float32 scalar. */
  scalar(value: number): string {
    return this.constant({ dtype: TYPE.float32, shape: [], bytes: new Uint8Array(Float32Array.of(value).buffer) });
  }

  placeholder(name: string, dtype: number, shape: number[]): string {
    return this.add('Placeholder', [], { dtype: { type: dtype }, shape: { shape } }, name);
  }
}

/** A graph as `saved_model.pb`: one MetaGraph with the tag `serve`, no saver and no initializer. */
export function encodeSavedModel(graph: Graph): Uint8Array {
  const versions = new Message().integer(1, GRAPH_VERSION);
  const definition = new Message();
  for (const node of graph.nodes) definition.bytes(1, encodeNode(node));
  definition.bytes(4, versions);
  const information = new Message().bytes(4, SERVE_TAG);
  const metaGraph = new Message().bytes(1, information).bytes(2, definition);
  return new Message().integer(1, 1).bytes(2, metaGraph).encode();
}

/** Which meaning of operations the graph goes by: any version of the last years. */
const GRAPH_VERSION = 1500;
export const SERVE_TAG = 'serve';

function encodeNode({ name, operation, inputs, attributes }: GraphNode): Message {
  const message = new Message().bytes(1, name).bytes(2, operation);
  for (const input of inputs) message.bytes(3, input);
  for (const [key, value] of Object.entries(attributes)) {
    message.bytes(5, new Message().bytes(1, key).bytes(2, encodeAttribute(value)));
  }
  return message;
}

function encodeAttribute(value: AttributeValue): Message {
  const message = new Message();
  if ('type' in value) return message.integer(6, value.type);
  if ('int' in value) return message.integer(3, value.int);
  if ('float' in value) return message.float(4, value.float);
  if ('bool' in value) return message.integer(5, value.bool);
  if ('string' in value) return message.bytes(2, value.string);
  if ('shape' in value) return message.bytes(7, encodeShape(value.shape));
  if ('ints' in value) {
    const list = new Message();
    for (const item of value.ints) list.integer(3, item);
    return message.bytes(1, list);
  }
  const { dtype, shape, bytes } = value.tensor;
  return message.bytes(8, new Message().integer(1, dtype).bytes(2, encodeShape(shape)).bytes(4, bytes));
}

function encodeShape(shape: number[]): Message {
  const message = new Message();
  for (const size of shape) message.bytes(2, new Message().integer(1, size));
  return message;
}
