import * as tf from '@tensorflow/tfjs';
import { type Architecture, samplesFfn } from '../architecture/architecture';
import { EngineError } from '../base/errors';
import { deriveSeed, uniformGenerator } from '../base/random';

/** Numbers that a training pass is given beside its tokens, by name: what its routers draw. Empty for most models. */
export type Draws = ReadonlyMap<string, { shape: number[]; values: Float32Array }>;

export const NO_DRAWS: Draws = new Map();

/** The same as tensors. */
export type DrawTensors = ReadonlyMap<string, tf.Tensor>;

/** What the input of a layer's FFN router is multiplied with, (tokens, width). */
export function noiseName(layer: number): string {
  return `layers.${layer}.ffn.router.noise`;
}

/** What is added to the logits of a layer's FFN router, (tokens, experts), from the standard Gumbel distribution. */
export function gumbelName(layer: number): string {
  return `layers.${layer}.ffn.router.gumbel`;
}

/** What the hidden neurons of a dense model's FFN are multiplied with, (ffnHidden); ones where it is not given. */
export function neuronsName(layer: number): string {
  return `layers.${layer}.ffn.neurons`;
}

/** What perturbed logits are divided by, a scalar. */
export const TEMPERATURE = 'temperature';

const ANNEALING_RATE = 1e-4;
const LOWEST_TEMPERATURE = 0.5;

/**
 * The temperature of sampling at a step, from 0. The paper (BTX, arXiv 2403.07816, section 3) prints max(0.5, -r t) with r = 1e-4,
 * which is read as max(0.5, exp(-r t)), the schedule of Gumbel-softmax (arXiv 1611.01144).
 */
export function samplingTemperature(step: number): number {
  return Math.max(LOWEST_TEMPERATURE, Math.exp(-ANNEALING_RATE * step));
}

/**
 * What the routers draw in one training pass over so many tokens. It follows from seed, step and pass alone, so that a resumed run
 * draws the same. Made on the host, at about 14 ms a million numbers, so that every backend gets the same.
 */
export function drawRouting(
  { layers, width, mixture }: Architecture,
  tokens: number,
  { seed, step, pass }: { seed: number; step: number; pass: number },
): Draws {
  const draws = new Map<string, { shape: number[]; values: Float32Array }>();
  if (!mixture) return draws;
  const draw = (name: string, columns: number, make: (uniform: number) => number): void => {
    const uniform = uniformGenerator(deriveSeed(seed, name, step, pass));
    // A loop: `Float32Array.from` takes six times as long.
    const values = new Float32Array(tokens * columns);
    for (let i = 0; i < values.length; i++) values[i] = make(uniform());
    draws.set(name, { shape: [tokens, columns], values });
  };
  const { noise } = mixture.router ?? {};
  for (let layer = 0; layer < layers; layer++) {
    if (noise) draw(noiseName(layer), width, (uniform) => 1 + noise * (2 * uniform - 1));
    if (samplesFfn(mixture, layer)) draw(gumbelName(layer), mixture.experts, gumbel);
  }
  if (mixture.ffnRouting === 'sample-top-1') {
    draws.set(TEMPERATURE, { shape: [], values: Float32Array.of(samplingTemperature(step)) });
  }
  return draws;
}

/** Half the distance between two uniform numbers: keeps the logarithms finite. */
const HALF_STEP = 2 ** -33;

/** A standard Gumbel number from a uniform one in [0, 1). */
function gumbel(uniform: number): number {
  return -Math.log(-Math.log(uniform + HALF_STEP));
}

/** Draws as tensors, which the enclosing `tf.tidy` frees. */
export function drawTensors(draws: Draws): DrawTensors {
  return new Map([...draws].map(([name, { shape, values }]) => [name, tf.tensor(values, shape)]));
}

/** One of the draws. Throws an `EngineError` (`draws-missing`) that names it if it was not given. */
export function drawn<T>(draws: ReadonlyMap<string, T>, name: string): T {
  const found = draws.get(name);
  if (found !== undefined) return found;
  throw new EngineError(
    `A training pass of this model should be given ${name}, which its router draws; found nothing.`,
    {
      reason: 'draws-missing',
    },
  );
}
