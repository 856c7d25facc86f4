import { basename } from 'node:path';
import { EngineError } from '../base/errors';
import { writeFileAtomic } from '../base/files';
import { startSampler, trainingPasses, weightedBatches } from './batches';
import { chromeTrace, partShares } from './chrome-trace';
import { GraphStep } from './graph-step';
import { learningRate } from './schedule';
import { firstParameters, teacherOf, withExperts } from './stage';
import type { StageContext } from './stage-context';

/** The step that is written down: in those before it kernels are made, and caches and the routers' first choices settle. */
const STEP = 5;
/** How many parts of a step the log names. */
const PARTS = 6;

/**
 * Takes the first steps of a stage and writes down where the time of the last one goes, as a Chrome trace in `file`. Nothing of the stage
 * changes. Throws an `EngineError` (`not-native`) where steps don't run as graphs.
 */
export async function profileStage(context: StageContext, file: string): Promise<void> {
  const { emit } = context;
  const train = context.stage.train!;
  if (context.backend.kind !== 'native') {
    const advice = '`bam runtime install` makes native TensorFlow; without it, leave out --profile.';
    throw new EngineError('Only steps on native TensorFlow can be profiled.', { reason: 'not-native', advice });
  }
  const { values, architecture: found } = await firstParameters(context);
  const stage = withExperts(context.stage, found);
  const sequences = train.batch / train.accumulate;
  const { architecture } = stage;
  const weighted = weightedBatches(context.plan, stage);
  const made = { passes: 1, form: 'graph', weighted, teacher: teacherOf(context), clocks: true } as const;
  const step = GraphStep.create({ architecture, values, settings: train, sequences, ...made });
  try {
    const sampler = startSampler(context, train);
    const pass = (i: number) => trainingPasses(stage, train, sampler.next(train.batch), i)[0]!;
    for (let i = 0; i < STEP; i++) step.train([pass(i)], learningRate(i, train), i, false);
    const nodes = step.profile(pass(STEP), learningRate(STEP, train), STEP);
    writeFileAtomic(file, JSON.stringify(chromeTrace(nodes)));
    const milliseconds = (nodes.at(-1)!.end * 1000).toFixed(0);
    const parts = partShares(nodes).slice(0, PARTS);
    const shares = parts.map(({ part, share }) => `${part} ${(100 * share).toFixed(0)} %`).join(', ');
    const passes = train.accumulate > 1 ? ` (one of its ${train.accumulate} passes)` : '';
    const message = `A step of stage ${stage.name}${passes}, its operations one after the other, takes ${milliseconds} ms: ${shares}. Trace: ${basename(file)}`;
    emit({ type: 'note', level: 'info', stage: stage.name, message });
  } finally {
    step.dispose();
  }
}
