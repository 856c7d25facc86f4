import { createParameters } from '../model/parameters';
import type { PlannedStage } from '../plan/plan';
import { EnsembleModel } from './ensemble';
import { EagerModel, type EvaluatedModel } from './evaluated-model';
import { loadFinal } from './initial';

/**
 * The model of a finished stage, of the one that a stage serves, or of an ensemble whose members are finished. `checkpoints` gives the folder of a stage's checkpoints by
 * key. Throws a `CheckpointError` that names the stage without one.
 */
export function loadModel(stage: PlannedStage, checkpoints: (key: string) => string): EvaluatedModel {
  const load = ({ name, key }: { name: string; key: string }): EagerModel => {
    const { architecture, parameters } = loadFinal(name, checkpoints(key));
    return new EagerModel(architecture, createParameters(architecture, parameters));
  };
  const { ensemble, serve, parents, architecture } = stage;
  if (!ensemble) return load(serve ? parents[0]! : stage);
  return new EnsembleModel(parents.map(load), { weights: ensemble.weights, context: architecture.context });
}
