import type * as fc from 'fast-check';

/** A seeded source of numbers in [0, 1). */
export type Random = () => number;

/** A reader that is given broken input. */
export interface Target {
  name: string;
  /** Valid inputs, which are changed byte by byte. */
  corpus: readonly Buffer[];
  /** Inputs that are right in form and wrong in meaning. */
  structured?: fc.Arbitrary<Buffer>;
  /** Reads one input. May throw the project's own errors only. `random` belongs to the input: the same each time. */
  run(input: Buffer, random: Random): unknown;
  /** Inputs of the short form, where this reader is slow. */
  short?: number;
}
