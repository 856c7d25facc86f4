import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName } from '../../../src/checkpoint/checkpoint';
import { checkpointsFolder, writeResult } from '../../../src/plan/result';
import { withIndex } from '../../../src/store/index';
import type { Workspace } from '../../../src/store/layout';
import { checkpointFolder, hasCheckpoint, queryTrainedStages } from '../../../src/store/trained-stages';
import * as made from './synthetic';

const RUN = 'law-math-20261124-171530-a1b2';

function addCheckpoints({ stagesFolder }: Workspace, key: string, ...steps: number[]): void {
  for (const step of steps) {
    mkdirSync(join(checkpointsFolder(stagesFolder, key), checkpointName(step)), { recursive: true });
  }
}

describe('trained stages', () => {
  it('are those with a checkpoint on disk: the one of the result, else the last', () =>
    made.withWorkspace(async (workspace) => {
      const evaluation = made.evaluation(20, { law: 4 });
      made.writeEvents(workspace, RUN, [
        made.runStarted(RUN, ['done', 'begun', 'ensemble', 'later'], { file: '/work/a.bam.yaml' }),
        made.stageStarted('done'),
        made.stageFinished('done', evaluation),
        made.stageStarted('ensemble'),
        made.stageFinished('ensemble', evaluation),
        made.stageStarted('begun'),
        made.step('begun', 10, 3),
      ]);
      addCheckpoints(workspace, 'key-done', 10, 20, 30);
      addCheckpoints(workspace, 'key-begun', 5, 10);
      for (const key of ['key-done', 'key-ensemble']) {
        writeResult(workspace.stagesFolder, { key, run: RUN, step: 20, seconds: 1, engine: 'wasm', evaluation });
      }
      const { value } = await withIndex(workspace, (index) => queryTrainedStages(workspace, index));
      const from = { run: RUN, title: RUN, file: '/work/a.bam.yaml' };
      assert.deepEqual(value, [
        { ...from, stage: 'done', key: 'key-done', step: 20, average: 4 },
        { ...from, stage: 'begun', key: 'key-begun', step: 10, average: null },
      ]);
      assert.ok(hasCheckpoint(workspace, { key: 'key-begun' }));
      assert.ok(!hasCheckpoint(workspace, { key: 'key-ensemble' }));
      assert.ok(!hasCheckpoint(workspace, { key: null }));
      assert.ok(checkpointFolder(workspace, 'key-done', 30)?.endsWith(`checkpoints/${checkpointName(30)}`));
      assert.equal(checkpointFolder(workspace, 'key-done', 31), undefined);
    }));
});
