import { isDeepStrictEqual } from 'node:util';
import { EngineError } from '../../base/errors';
import type { Leaves, Tape, TapeConstant, TapeOperation } from './tape';

/** A tape, the tensors that its code was given, and how many sequences those held. */
export interface SizedTape {
  tape: Tape;
  leaves: Leaves;
  sequences: number;
}

/**
 * The tape of `a` for another number of sequences. `a` and `b` are recordings of the same code on other data and other numbers of
 * sequences. A constant in which they differ must be in proportion to that number, as the size of a batch is, or in inverse
 * proportion, as the weight of a token in a mean is; its value for `sequences` follows. All else must be the same: a number that host
 * code worked out from the data would be frozen in a graph at what it was when the tape was made. Throws an `EngineError` (`not-static`)
 * that names the place.
 */
export function resizeTape(a: SizedTape, b: SizedTape, sequences: number): Tape {
  const same = new Map<number, number>();
  const other = new Map([...b.leaves].map(([id, name]) => [name, id]));
  for (const [id, name] of a.leaves) same.set(id, other.get(name)!);
  const constants = new Map<number, TapeConstant>();
  const [operations, twins] = [a.tape.operations, b.tape.operations];
  if (operations.length !== twins.length) {
    throw notStatic(`takes ${operations.length} operations once and ${twins.length} another time`);
  }
  operations.forEach((operation, place) => {
    const twin = twins[place]!;
    const where = `operation ${place} (${operation.name})`;
    if (operation.name !== twin.name || !isDeepStrictEqual(operation.attributes, twin.attributes)) {
      throw notStatic(`does not do the same each time: ${where}`);
    }
    addConstants(operation, twin, where);
    operation.outputs.forEach(({ id }, output) => same.set(id, twin.outputs[output]!.id));
  });
  return { operations, constants };

  function addConstants(operation: TapeOperation, twin: TapeOperation, where: string): void {
    operation.inputs.forEach((id, input) => {
      const twinId = twin.inputs[input]!;
      const [constant, twinConstant] = [a.tape.constants.get(id), b.tape.constants.get(twinId)];
      const resized =
        constant && twinConstant && resizeConstant([constant, twinConstant], [a.sequences, b.sequences], sequences);
      if (resized) constants.set(id, resized);
      else if (constant || same.get(id) !== twinId) {
        throw notStatic(`works out input ${input} of ${where} from its data on the host`);
      }
    });
  }
}

type Pair<T> = readonly [T, T];

/** The constant for another size, from what it is for two sizes; `undefined` where it does not follow from the size. */
function resizeConstant([a, b]: Pair<TapeConstant>, sizes: Pair<number>, size: number): TapeConstant | undefined {
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length) return undefined;
  if (isDeepStrictEqual(a, b)) return a;
  const shape = numbersFor([a.shape, b.shape], sizes, size);
  if (!shape) return undefined;
  const length = shape.reduce((product, dimension) => product * dimension, 1);
  const values = valuesFor([a.values, b.values], sizes, size, length);
  return values && { dtype: a.dtype, shape, values };
}

function valuesFor(
  [a, b]: Pair<TapeConstant['values']>,
  sizes: Pair<number>,
  size: number,
  length: number,
): TapeConstant['values'] | undefined {
  const make = (values: number[]): TapeConstant['values'] => {
    if (a instanceof Float32Array) return Float32Array.from(values);
    return a instanceof Int32Array ? Int32Array.from(values) : Uint8Array.from(values);
  };
  if (a.length === b.length) {
    const values = numbersFor([[...a], [...b]], sizes, size);
    return values && make(values);
  }
  // More of the same number, such as zeros for a batch.
  const isFill = [...a, ...b].every((value) => value === a[0]);
  return isFill ? make(Array.from({ length }, () => a[0]!)) : undefined;
}

function numbersFor([a, b]: Pair<readonly number[]>, sizes: Pair<number>, size: number): number[] | undefined {
  const found = a.map((value, i) => numberFor([value, b[i]!], sizes, size));
  return found.every((value) => value !== undefined) ? found : undefined;
}

/** By how much a product of rounded numbers may be off. */
const ROUNDING = 1e-6;

function numberFor([a, b]: Pair<number>, [sizeA, sizeB]: Pair<number>, size: number): number | undefined {
  if (Object.is(a, b)) return a;
  const equal = (x: number, y: number): boolean => Math.abs(x - y) <= ROUNDING * Math.abs(x);
  if (equal(a * sizeB, b * sizeA)) return (a * size) / sizeA;
  return equal(a * sizeA, b * sizeB) ? (a * sizeA) / size : undefined;
}

function notStatic(what: string): EngineError {
  return new EngineError(`A step cannot become a graph, since it ${what}.`, { reason: 'not-static' });
}
