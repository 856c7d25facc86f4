import { DataError, TrainingError } from '../base/errors';
import { bitsPerByte, heldOutBatches } from '../data/held-out';
import type { OpenDomain } from '../data/prepare';
import { countedTargets } from '../data/sequences';
import type { DomainResult, Evaluation } from '../events/event';
import type { EvaluationPlan } from '../plan/plan';
import { type RouterChoices, RoutingStatistics } from './routing-statistics';
import type { EvaluatedModel } from './evaluated-model';

/** Sequences of an evaluation batch where no training has a batch of its own. */
export const EVALUATION_BATCH = 16;

function notFinite(domain: string, step: number, loss: number): TrainingError {
  return new TrainingError(`The evaluation at step ${step} gave a loss of ${loss} on domain ${domain}.`, {
    reason: 'not-finite',
    advice: 'The last checkpoint is kept. Lower peakLearningRate or raise warmup; a changed stage starts anew.',
  });
}

function noAnswers(domain: string): DataError {
  return new DataError(`Domain ${domain}: the held-out text that an evaluation reads has no token of an answer.`, {
    reason: 'no-answers',
    advice: 'Raise `evaluationTokens`, or put shorter prompts in front.',
  });
}

/** Where training stands when it is evaluated. */
export interface Progress {
  step: number;
  tokens: number;
  flops: number;
}

export interface EvaluateOptions {
  plan: EvaluationPlan;
  context: number;
  /** Sequences at a time. */
  batch: number;
  /** What routers chose in the evaluation before, by domain; replaced by what they choose in this one. */
  choices?: Map<string, RouterChoices>;
  /** Told of every batch, with the tokens of the domain so far. May throw, which ends the evaluation: so a user cancels it. */
  onProgress?: (domain: string, tokens: number) => void;
}

/**
 * Evaluates a model on the held-out text of every domain: loss, perplexity, bits per byte, and what the routers did there.
 * The average is the mean of the domains' perplexities, as in BAM's Table 1. Gives the event loop a turn between batches.
 */
export async function evaluate(
  model: Pick<EvaluatedModel, 'evaluate'>,
  domains: ReadonlyMap<string, OpenDomain>,
  progress: Progress,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const results: Record<string, DomainResult> = {};
  const routing: Evaluation['routing'] = {};
  for (const [name, domain] of domains) {
    const routers = new RoutingStatistics(true);
    let sum = 0;
    let tokens = 0;
    const { plan, context, batch, choices } = options;
    for (const sequences of heldOutBatches(domain, { context, maximumTokens: plan.tokens, batch })) {
      sum += model.evaluate(sequences, routers);
      tokens += countedTargets(sequences);
      options.onProgress?.(name, tokens);
      await new Promise(setImmediate);
    }
    if (!tokens) throw noAnswers(name);
    const loss = sum / tokens;
    if (!Number.isFinite(Math.exp(loss))) throw notFinite(name, progress.step, loss);
    results[name] = {
      loss,
      perplexity: Math.exp(loss),
      bitsPerByte: bitsPerByte(loss, domain.tokensPerByte),
      tokens,
    };
    const summary = routers.summarize(choices?.get(name));
    choices?.set(name, routers.choices());
    if (summary.length) routing[name] = summary;
  }
  const perplexities = Object.values(results).map(({ perplexity }) => perplexity);
  const averagePerplexity = perplexities.reduce((total, value) => total + value, 0) / perplexities.length;
  return { ...progress, domains: results, averagePerplexity, routing };
}
