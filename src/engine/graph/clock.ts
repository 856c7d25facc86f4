import { type Graph, type GraphNode, TYPE } from './graph';

/** What a run of a graph with clocks gives: the times, in seconds since the run began, at which each of these nodes was done. */
export interface Clocks {
  nodes: GraphNode[];
  /** (nodes + 1): the first is the start. */
  times: string;
}

/** A node, and when it ran, in seconds since the run began. */
export interface TimedNode {
  node: GraphNode;
  start: number;
  end: number;
}

/** No work, or work that waits for only one of its inputs, which a clock would undo. */
const UNTIMED = new Set(['Const', 'Placeholder', 'VarHandleOp', 'Merge']);

/**
 * Puts a clock behind each node from `first` on, and has the nodes run one after the other in their order, so that the time between two
 * clocks is the time of one node. The result `times` makes all of them run.
 */
export function addClocks(graph: Graph, first: number): Clocks {
  const nodes = graph.nodes.slice(first).filter(({ operation }) => !UNTIMED.has(operation));
  const clocks = [graph.add('Timestamp', [])];
  for (const node of nodes) {
    const before = `^${clocks.at(-1)!}`;
    node.inputs.push(before);
    // TensorFlow may do without a node, such as a cast to the same type; the clocks still go one after the other.
    clocks.push(graph.add('Timestamp', [`^${node.name}`, before]));
  }
  const seconds = clocks.map((clock) => {
    const since = graph.add('Sub', [clock, clocks[0]!], { T: { type: TYPE.float64 } });
    return graph.add('Cast', [since], { SrcT: { type: TYPE.float64 }, DstT: { type: TYPE.float32 } });
  });
  const attributes = { T: { type: TYPE.float32 }, N: { int: seconds.length }, axis: { int: 0 } };
  return { nodes, times: graph.add('Pack', seconds, attributes, 'times') };
}
