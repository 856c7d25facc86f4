/** What an error of this program carries beside its message. */
export interface BamErrorDetails {
  /** A short stable word for the kind of failure, e.g. `missing-compiler`. */
  reason: string;
  /** What the user can do about it. */
  advice?: string;
  cause?: unknown;
}

/**
 * The base of every error that is meant for the user: its message says what was expected, what came and where.
 * Each domain has one subclass (`DataError`, `EngineError`, ...) and tells failures apart by `reason`.
 */
export class BamError extends Error {
  readonly reason: string;
  readonly advice: string | undefined;

  constructor(message: string, details: BamErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.reason = details.reason;
    this.advice = details.advice;
  }
}

/** A corpus, tokenizer or token file that cannot be used. */
export class DataError extends BamError {}

/** A compute backend that cannot be installed, loaded or used. */
export class EngineError extends BamError {}

/** A checkpoint that is missing, damaged, or does not fit the model. */
export class CheckpointError extends BamError {}

/** A run that cannot start, go on or be found. */
export class RunError extends BamError {}

/** A stage whose training went wrong (loss not finite, loss exploded). */
export class TrainingError extends BamError {}

/** What a served model is asked for and cannot do. */
export class ServingError extends BamError {}

/** The text to show a user for anything that was thrown: message, then advice. */
export function explainError(error: unknown): string {
  if (error instanceof BamError) return error.advice ? `${error.message}\n  ${error.advice}` : error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** True for a Node system error with this code, e.g. `ENOENT`. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
