import type { Architecture } from '../architecture/architecture';
import { ffnName, type FfnProjection, ffnProjections } from '../architecture/parameters';
import { deriveSeed, normalValues, uniformGenerator } from '../base/random';

/** What Drop-Upcycling draws anew. */
export interface DropOptions {
  /** Share of the hidden units. */
  ratio: number;
  /** Whether gate, up and down have units of their own drawn anew, or all three the same. */
  indices: 'per-matrix' | 'shared';
}

/**
 * Draws a share of every FFN expert's hidden units anew, in place, so that copies differ (Drop-Upcycling, arXiv 2502.19261, section 3): rows
 * of gate and up, columns of down. New values are Normal with the mean and the deviation of the values that they replace in that matrix.
 * Which units is random for each layer and expert; the paper's permutation of the units beforehand changes no function and is left out.
 * Biases, which the paper's models do not have, stay.
 */
export function dropUnits(
  parameters: ReadonlyMap<string, Float32Array>,
  architecture: Architecture,
  { ratio, indices }: DropOptions,
  seed: number,
): void {
  const { layers, ffnHidden, mixture } = architecture;
  const count = Math.round(ratio * ffnHidden);
  for (let layer = 0; layer < layers; layer++) {
    for (let expert = 0; expert < mixture!.experts; expert++) {
      for (const projection of ffnProjections(architecture)) {
        const name = ffnName(layer, projection, expert);
        const purpose = indices === 'shared' ? [layer, expert] : [name];
        const units = randomUnits(ffnHidden, count, deriveSeed(seed, 'dropped units', ...purpose));
        const matrix = parameters.get(name)!;
        redraw(matrix, placesOf(projection, units, matrix.length, ffnHidden), deriveSeed(seed, 'drop', name));
      }
    }
  }
}

/** `count` different numbers below `units`, by the first steps of a shuffle. */
function randomUnits(units: number, count: number, seed: number): number[] {
  const uniform = uniformGenerator(seed);
  const order = Array.from({ length: units }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(uniform() * (units - i));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order.slice(0, count);
}

/** Where a matrix of `size` numbers holds these units: rows of gate and up (F, E), columns of down (E, F). */
function placesOf(projection: FfnProjection, units: readonly number[], size: number, ffnHidden: number): Uint32Array {
  const width = size / ffnHidden;
  const [perUnit, perInput] = projection === 'down' ? [1, ffnHidden] : [width, 1];
  return Uint32Array.from({ length: units.length * width }, (_, i) => {
    return units[Math.floor(i / width)]! * perUnit + (i % width) * perInput;
  });
}

function redraw(matrix: Float32Array, places: Uint32Array, seed: number): void {
  if (!places.length) return;
  const mean = places.reduce((sum, place) => sum + matrix[place]!, 0) / places.length;
  const variance = places.reduce((sum, place) => sum + (matrix[place]! - mean) ** 2, 0) / places.length;
  const noise = normalValues(seed, places.length, Math.sqrt(variance));
  places.forEach((place, i) => (matrix[place] = mean + noise[i]!));
}
