import type { Architecture } from '../architecture/architecture';
import { type ParameterSpec, parameterSpecs } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';
import type { Parent } from './upcycle';

/** Throws a `CheckpointError` (reason `parent-mismatch`) unless the parents, one an expert, are dense and of the mixture's shape. */
export function checkParents(parents: readonly Parent[], mixture: Architecture): void {
  const { mixture: experts, ...dense } = mixture;
  if (!experts || experts.experts !== parents.length) {
    throw new CheckpointError(`The mixture wants ${experts?.experts ?? 0} experts, found ${parents.length} parents.`, {
      reason: 'parent-mismatch',
    });
  }
  for (const parent of parents) {
    if (parent.architecture.mixture) {
      throw new CheckpointError(`Parent ${parent.name} should be dense, found a mixture.`, {
        reason: 'parent-mismatch',
        advice: 'List dense stages under `experts`.',
      });
    }
    checkTensors(parent, parameterSpecs(dense));
    checkSettings(parent, dense);
  }
}

function checkTensors(parent: Parent, expected: readonly ParameterSpec[]): void {
  const found = new Map(parameterSpecs(parent.architecture).map((spec) => [spec.name, spec.shape]));
  for (const { name, shape } of expected) {
    const own = found.get(name);
    if (String(own) === String(shape) && parent.parameters.has(name)) continue;
    const what = own && parent.parameters.has(name) ? `(${own.join(', ')})` : 'no such tensor';
    throw new CheckpointError(`Parent ${parent.name}: tensor ${name} should be (${shape.join(', ')}), found ${what}.`, {
      reason: 'parent-mismatch',
      advice: 'All parents of a mixture must have one shape: train them from the same seed model.',
    });
  }
}

/** Settings that shapes do not show, but that change what copied weights compute. */
function checkSettings(parent: Parent, dense: Architecture): void {
  const settings = ['heads', 'kvHeads', 'ropeBase', 'normEpsilon', 'tiedEmbeddings'] as const;
  const variants = ['block', 'norm', 'ffn', 'biases', 'rotaryDimensions', 'logitScale'] as const;
  for (const key of [...settings, ...variants]) {
    if (parent.architecture[key] === dense[key]) continue;
    throw new CheckpointError(
      `Parent ${parent.name}: ${key} should be ${dense[key]}, found ${parent.architecture[key]}.`,
      {
        reason: 'parent-mismatch',
        advice: 'All parents of a mixture must share this setting: train them from the same seed model.',
      },
    );
  }
}
