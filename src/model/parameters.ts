import * as tf from '@tensorflow/tfjs';
import { type Architecture } from '../architecture/architecture';
import { isAdapter } from '../architecture/adapters';
import { elementCount, type ModelPart, type ParameterSpec, parameterSpecs, partOf } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';
import { deriveSeed, normalValues } from '../base/random';

/** A model's parameters by name, as variables that training changes. */
export type ModelParameters = ReadonlyMap<string, tf.Variable>;

/** Values of parameters on the host, by name, as a checkpoint holds them. */
export type ParameterValues = ReadonlyMap<string, Float32Array>;

/** Standard deviation of initial matrices and embeddings (GPT-2's). */
const INITIAL_DEVIATION = 0.02;

/**
 * Initial values of one parameter: ones for norms, zeros for biases, gating residuals, what balances and what adapts, else Normal(0, 0.02). As in GPT-2, the projections that end a residual
 * branch are smaller by sqrt(2 x layers), so that the residual stream does not grow with depth.
 */
function initialValues(architecture: Architecture, spec: ParameterSpec, seed: number): Float32Array {
  const size = elementCount(spec.shape);
  if (spec.role === 'norm') return new Float32Array(size).fill(1);
  if (['bias', 'balance', 'adapter', 'gating-residual'].includes(spec.role)) return new Float32Array(size);
  const endsBranch = /\.(output|down)\.weight$/.test(spec.name);
  const deviation = endsBranch ? INITIAL_DEVIATION / Math.sqrt(2 * architecture.layers) : INITIAL_DEVIATION;
  return normalValues(deriveSeed(seed, 'parameter', spec.name), size, deviation);
}

/** Random initial values of a whole model, or of those parameters that `wanted` accepts. */
export function randomValues(
  architecture: Architecture,
  seed: number,
  wanted: (spec: ParameterSpec) => boolean = () => true,
): Map<string, Float32Array> {
  const specs = parameterSpecs(architecture).filter(wanted);
  return new Map(specs.map((spec) => [spec.name, initialValues(architecture, spec, seed)]));
}

/**
 * Makes variables of host values: of all parameters, or of those that `wanted` accepts. Throws a `CheckpointError` (reason `tensor-mismatch`) that names the tensor if one is
 * missing or has another size than the architecture says.
 */
export function createParameters(
  architecture: Architecture,
  values: ParameterValues,
  wanted: (spec: ParameterSpec) => boolean = () => true,
): ModelParameters {
  const parameters = new Map<string, tf.Variable>();
  for (const spec of parameterSpecs(architecture).filter(wanted)) {
    const value = values.get(spec.name);
    if (value?.length !== elementCount(spec.shape)) {
      const found = value ? `${value.length} numbers` : 'nothing';
      throw new CheckpointError(
        `Tensor ${spec.name} should have the shape (${spec.shape.join(', ')}), found ${found}.`,
        {
          reason: 'tensor-mismatch',
          advice: 'The checkpoint is of another model than this stage; look at the parents of the stage.',
        },
      );
    }
    const initial = tf.tensor(value, spec.shape);
    parameters.set(spec.name, tf.variable(initial, true, undefined, 'float32'));
    initial.dispose();
  }
  return parameters;
}

/** Makes variables of host values for as long as `use` takes. Throws as `createParameters` does. */
export function withParameters<T>(
  architecture: Architecture,
  values: ParameterValues,
  use: (parameters: ModelParameters) => T,
): T {
  const parameters = createParameters(architecture, values);
  try {
    return use(parameters);
  } finally {
    disposeParameters(parameters);
  }
}

/** Those of a model's parameters that gradients change: its adapters if it has some, else all but the parts in `freeze`, and what balances routers. */
export function trainedParameters(
  architecture: Architecture,
  parameters: ModelParameters,
  freeze: readonly ModelPart[] = [],
): ModelParameters {
  const isFrozen = (spec: ParameterSpec): boolean => freeze.some((part) => part === partOf(spec));
  const trained = parameterSpecs(architecture).filter((spec) =>
    architecture.adapters ? isAdapter(spec) : spec.role !== 'balance' && !isFrozen(spec),
  );
  return new Map(trained.map(({ name }) => [name, parameters.get(name)!]));
}

/** Reads all parameters back to the host. */
export function readParameters(parameters: ModelParameters): Map<string, Float32Array> {
  return new Map([...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>()]));
}

/** Frees all parameters. */
export function disposeParameters(parameters: ModelParameters): void {
  for (const variable of parameters.values()) variable.dispose();
}
