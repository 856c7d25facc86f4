import type { Batch } from '../data/sequences';
import type { EnsembleConfig } from '../config/schema';
import type { EvaluatedModel } from './evaluated-model';

export interface EnsembleOptions {
  weights: EnsembleConfig['weights'];
  /** Tokens of a sequence in an evaluation. */
  context: number;
}

/**
 * Several models that speak as one: their distributions of the next token are averaged (Branch-Train-Merge, arXiv 2208.03306).
 * `posterior` weighs a member by how well it has predicted the sequence so far, which is Bayes' rule with a uniform prior over members;
 * `uniform` weighs all alike. Owns its members.
 */
export class EnsembleModel implements EvaluatedModel {
  constructor(
    private readonly members: readonly EvaluatedModel[],
    private readonly options: EnsembleOptions,
  ) {}

  evaluate(batch: Batch): number {
    const losses = this.tokenLosses(batch, this.options.context);
    return losses.reduce((sum, loss, i) => sum + loss * (batch.weights?.[i] ?? 1), 0);
  }

  tokenLosses(batch: Batch, length: number): Float32Array {
    const losses = this.members.map((member) => member.tokenLosses(batch, length));
    const evidence = this.evidence(losses, length);
    return Float32Array.from(losses[0]!, (_, at) => {
      return -logMean(
        evidence.map((weight) => weight[at]!),
        losses.map((loss) => -loss[at]!),
      );
    });
  }

  logProbabilities(inputs: Int32Array, rows: Int32Array, length: number): Float32Array {
    // What stands before a row: the last target of a sequence has no part in that, whatever it is.
    const targets = Int32Array.from(inputs, (_, at) => inputs[at + 1] ?? 0);
    const losses = this.members.map((member) => member.tokenLosses({ inputs, targets }, length));
    const evidence = this.evidence(losses, length);
    const scores = this.members.map((member) => member.logProbabilities(inputs, rows, length));
    const vocabulary = scores[0]!.length / rows.length;
    return Float32Array.from(scores[0]!, (_, at) => {
      const row = rows[Math.floor(at / vocabulary)]!;
      return logMean(
        evidence.map((weight) => weight[row]!),
        scores.map((score) => score[at]!),
      );
    });
  }

  /** Logarithms of every member's weight at every position, up to a constant: the log-likelihood of the tokens before its target. */
  private evidence(losses: readonly Float32Array[], length: number): Float64Array[] {
    const { weights } = this.options;
    return losses.map((loss) => {
      const sums = new Float64Array(loss.length);
      if (weights === 'uniform') return sums;
      for (let at = 1; at < loss.length; at++) sums[at] = at % length === 0 ? 0 : sums[at - 1]! - loss[at - 1]!;
      return sums;
    });
  }

  dispose(): void {
    for (const member of this.members) member.dispose();
  }
}

/** log(sum of w_i p_i / sum of w_i), from the logarithms of w and p. */
function logMean(weights: readonly number[], values: readonly number[]): number {
  return logSum(weights.map((weight, i) => weight + values[i]!)) - logSum(weights);
}

function logSum(logarithms: readonly number[]): number {
  const largest = Math.max(...logarithms);
  return largest + Math.log(logarithms.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
