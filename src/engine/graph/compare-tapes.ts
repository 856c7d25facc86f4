import { isDeepStrictEqual } from 'node:util';
import { EngineError } from '../../base/errors';
import type { Leaves, Tape, TapeOperation } from './tape';

/**
 * Makes sure that two tapes of the same code on other inputs differ in those inputs only. What differs otherwise, such as a number
 * that host code worked out from the data, would be frozen in a graph at what it was when the tape was made. Sizes of results may
 * differ. Throws an `EngineError` (`not-static`) that names the place.
 */
export function requireSameTape(a: Tape, aLeaves: Leaves, b: Tape, bLeaves: Leaves): void {
  const same = new Map<number, number>();
  const other = new Map([...bLeaves].map(([id, name]) => [name, id]));
  for (const [id, name] of aLeaves) same.set(id, other.get(name)!);
  if (a.operations.length !== b.operations.length) {
    throw notStatic(`takes ${a.operations.length} operations once and ${b.operations.length} another time`);
  }
  a.operations.forEach((operation, place) => {
    const twin = b.operations[place]!;
    const where = `operation ${place} (${operation.name})`;
    if (operation.name !== twin.name || !isDeepStrictEqual(operation.attributes, twin.attributes)) {
      throw notStatic(`does not do the same each time: ${where}`);
    }
    requireSameInputs(operation, twin, where);
    operation.outputs.forEach(({ id }, output) => same.set(id, twin.outputs[output]!.id));
  });

  function requireSameInputs(operation: TapeOperation, twin: TapeOperation, where: string): void {
    operation.inputs.forEach((id, input) => {
      const twinId = twin.inputs[input]!;
      const constant = a.constants.get(id);
      const equal = constant ? isDeepStrictEqual(constant, b.constants.get(twinId)) : same.get(id) === twinId;
      if (!equal) throw notStatic(`works out input ${input} of ${where} from its data on the host`);
    });
  }
}

function notStatic(what: string): EngineError {
  return new EngineError(`A step cannot become a graph, since it ${what}.`, { reason: 'not-static' });
}
