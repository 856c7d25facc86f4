import { type Graph, TYPE } from './graph';

const FLOAT = { type: TYPE.float32 };

/** A float32 variable that lives in the session, between runs. */
export interface GraphVariable {
  name: string;
  shape: number[];
  handle: string;
  /** Its value at the time of a run, before anything that the run assigns. */
  value: string;
}

/** Adds a variable and the operation that reads it. It has no value until something is assigned. */
export function addVariable(graph: Graph, name: string, shape: number[]): GraphVariable {
  const attributes = { dtype: FLOAT, shape: { shape }, shared_name: { string: name }, container: { string: '' } };
  const handle = graph.add('VarHandleOp', [], attributes, name);
  const value = graph.add('ReadVariableOp', [handle], { dtype: FLOAT }, `${name}_value`);
  return { name, shape, handle, value };
}

/** Adds an assignment, which waits for the operations in `after`. Returns the assigning operation. */
export function addAssign(graph: Graph, variable: GraphVariable, value: string, after: string[] = []): string {
  return graph.add('AssignVariableOp', [variable.handle, value, ...after.map((node) => `^${node}`)], { dtype: FLOAT });
}

/** As `addAssign`, adding to what is there. */
export function addAssignAdd(graph: Graph, variable: GraphVariable, value: string): string {
  return graph.add('AssignAddVariableOp', [variable.handle, value], { dtype: FLOAT });
}

/** Adds a result that is there once some operations have run: what a caller asks for to have them run. */
export function addDone(graph: Graph, name: string, operations: readonly string[]): string {
  const after = operations.map((node) => `^${node}`);
  return graph.add('Identity', [graph.scalar(1), ...after], { T: FLOAT }, name);
}

/**
 * Adds a placeholder `<variable>_start` for each variable and the assignments from them, as `done`. What is fed belongs to
 * JavaScript, whose memory TensorFlow may not hold on to, so it is copied.
 */
export function addStart(graph: Graph, variables: readonly GraphVariable[], done: string): void {
  const assigns = variables.map((variable) => {
    const fed = graph.placeholder(startName(variable), TYPE.float32, variable.shape);
    return addAssign(graph, variable, graph.add('DeepCopy', [fed], { T: FLOAT }));
  });
  addDone(graph, done, assigns);
}

/** Adds the assignment of zeros to each variable, as `done`. */
export function addZeros(graph: Graph, variables: readonly GraphVariable[], done: string): void {
  const assigns = variables.map((variable) => {
    const shape = graph.constant({
      dtype: TYPE.int32,
      shape: [variable.shape.length],
      bytes: new Uint8Array(Int32Array.from(variable.shape).buffer),
    });
    const zeros = graph.add('Fill', [shape, graph.scalar(0)], { T: FLOAT, index_type: { type: TYPE.int32 } });
    return addAssign(graph, variable, zeros);
  });
  addDone(graph, done, assigns);
}

/** The placeholder that `addStart` made for a variable. */
export function startName(variable: GraphVariable): string {
  return `${variable.name}_start`;
}
