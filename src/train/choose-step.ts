import { BamError } from '../base/errors';
import type { StepChoice } from '../config/schema';
import type { Backend } from '../engine/backend';
import { createParameters, type ParameterValues } from '../model/parameters';
import type { PlannedStage } from '../plan/plan';
import type { Moments } from './adamw';
import type { Weighted } from './batches';
import type { TeacherSource } from './distill';
import { EagerStep } from './eager-step';
import { GraphStep } from './graph-step';
import type { Step } from './step';

/** A stage's step, in words for the log how it computes and why so, and whether that is less than was asked for. */
export interface ChosenStep {
  step: Step;
  /** E.g. `as one graph`. */
  form: string;
  why: string;
  fellBack: boolean;
}

/** What some stages' steps have beside parameters: the moments of a checkpoint, weights of targets, a teacher. */
export interface StepExtras {
  moments?: Moments | undefined;
  weighted?: Weighted | undefined;
  teacher?: TeacherSource | undefined;
}

/** AdamW and losses of a stage that does not train: never used, but a step wants them. */
const NO_TRAINING = { beta1: 0, beta2: 0, weightDecay: 0, clip: 1, loadBalance: 0, routerZ: 0 };

/** Recording and loading a graph takes as long as some steps. */
const STEPS_WORTH_A_GRAPH = 10;

/**
 * Makes the step of a stage. What is taken depends on the stage and the backend only, never on where training stands, so that a
 * resumed run computes as an undisturbed one. A graph that cannot be made, or computes something else, gives way to eager.
 */
export function createStep(
  choice: StepChoice,
  backend: Pick<Backend, 'kind'>,
  stage: PlannedStage,
  values: ParameterValues,
  { moments, weighted, teacher }: StepExtras = {},
): ChosenStep {
  const { architecture, train } = stage;
  const eager = (why: string, fellBack = false): ChosenStep => {
    const parameters = createParameters(architecture, values);
    const step = new EagerStep(architecture, parameters, train ?? NO_TRAINING, moments, teacher);
    return { step, form: 'operation by operation', why, fellBack };
  };
  if (choice === 'eager') return eager('the experiment asks for it');
  if (!train) return eager('the stage does not train');
  if (backend.kind !== 'native') return eager('only native TensorFlow runs graphs', choice !== 'auto');
  if (choice === 'auto' && train.steps < STEPS_WORTH_A_GRAPH)
    return eager(`${train.steps} steps are too few for a graph`);
  const { batch, accumulate: passes } = train;
  try {
    const options = {
      architecture,
      values,
      moments,
      settings: train,
      teacher,
      sequences: batch / passes,
      passes,
      form: choice === 'xla' ? choice : ('graph' as const),
      ...(weighted && { weighted }),
    };
    const why = choice === 'auto' ? 'native TensorFlow runs it' : 'the experiment asks for it';
    return { step: GraphStep.create(options), form: 'as one graph', why, fellBack: false };
  } catch (error) {
    if (!(error instanceof BamError)) throw error;
    return eager(error.message, true);
  }
}
