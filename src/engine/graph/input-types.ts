import { EngineError } from '../../base/errors';
import type { AttributeValue } from './graph';

/**
 * For each operation that a step records, the attributes that say the types of its inputs, from TensorFlow's own definitions
 * (`N*T` is a list of N inputs; `-` an input of fixed type). A graph, unlike eager execution, takes them literally.
 */
const INPUT_TYPES: Record<string, string> = {
  Add: 'T T',
  AddN: 'N*T',
  AddV2: 'T T',
  BatchMatMulV2: 'T T',
  Bitcast: 'T',
  Cast: 'SrcT',
  Complex: 'T T',
  ConcatV2: 'N*T Tidx',
  Div: 'T T',
  DynamicPartition: 'T -',
  ParallelDynamicStitch: 'N*- N*T',
  Equal: 'T T',
  Exp: 'T',
  ExpandDims: 'T Tdim',
  Fill: 'index_type T',
  FloorDiv: 'T T',
  GatherV2: 'Tparams Tindices Taxis',
  Identity: 'T',
  L2Loss: 'T',
  Log: 'T',
  MatMul: 'T T',
  Max: 'T Tidx',
  Maximum: 'T T',
  Mean: 'T Tidx',
  Minimum: 'T T',
  Mul: 'T T',
  Neg: 'T',
  OneHot: 'TI - T T',
  Pack: 'N*T',
  PadV2: 'T Tpaddings T',
  Range: 'Tidx Tidx Tidx',
  RealDiv: 'T T',
  Relu: 'T',
  Reshape: 'T Tshape',
  ReverseV2: 'T Tidx',
  Rsqrt: 'T',
  Select: '- T T',
  SelectV2: '- T T',
  Sigmoid: 'T',
  Slice: 'T Index Index',
  Softmax: 'T',
  SparseSoftmaxCrossEntropyWithLogits: 'T Tlabels',
  Split: '- T',
  SplitV: 'T Tlen -',
  Sqrt: 'T',
  Square: 'T',
  Sub: 'T T',
  Sum: 'T Tidx',
  Tile: 'T Tmultiples',
  TopKV2: 'T Tk',
  Transpose: 'T Tperm',
  UnsortedSegmentSum: 'T Tindices Tnumsegments',
  ZerosLike: 'T',
};

/**
 * The type attribute of each input of an operation, `undefined` where its type is fixed. Empty for an operation that is not in the
 * table, which keeps the attributes that it was recorded with. Throws an `EngineError` (`wrong-inputs`) where the table is wrong.
 */
export function inputTypes(
  operation: string,
  attributes: Record<string, AttributeValue>,
  count: number,
): (string | undefined)[] {
  const definition = INPUT_TYPES[operation];
  if (definition === undefined) return [];
  const types = definition.split(' ').flatMap((input) => {
    const [type, list] = input.split('*').reverse() as [string, string?];
    const copies = list ? (attributes[list] as { int: number }).int : 1;
    return Array.from({ length: copies }, () => (type === '-' ? undefined : type));
  });
  if (types.length === count) return types;
  throw new EngineError(`${operation} should have ${types.length} inputs, found ${count}.`, { reason: 'wrong-inputs' });
}
