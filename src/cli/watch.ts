import { RunError } from '../base/errors';
import { startedWith } from '../launch/choose-launcher';
import { readPlan } from '../store/plan';
import { readFileSync } from 'node:fs';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRun, queryRun } from '../store/queries';
import { launch } from './launch';
import type { Output } from './output';
import { stagesOf } from './resume';

/**
 * `bam watch RUN`: takes up the watch over a run on a cluster whose watcher is gone, from this machine or another one. What it needs of the
 * run is read from its folder; no corpus is looked at. Returns the exit code.
 */
export async function watchCommand(name: string, { json }: { json?: boolean }, output: Output): Promise<number> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: run } = await withIndex(workspace, async (index) =>
    queryRun(workspace, index, await findRun(index, name)),
  );
  const { id, file } = run;
  if (run.state === 'finished') throw cannotWatch(id, 'it is finished', `\`bam show ${id}\` tells what came of it.`);
  const plan = readPlan(workspace, id);
  if (file === null || !plan || startedWith(workspace, id) !== 'slurm') {
    throw cannotWatch(id, 'it was not started on a cluster', `To go on with it on this machine: bam resume ${id}`);
  }
  const planned = { plan, text: readFileSync(workspace.experimentFile(id), 'utf8') };
  const stages = stagesOf(workspace, id);
  return launch({ workspace, file, plan: () => Promise.resolve(planned), stages, resume: id, json }, output);
}

function cannotWatch(run: string, why: string, advice: string): RunError {
  return new RunError(`Run ${run} cannot be watched: ${why}.`, { reason: 'not-watchable', advice });
}
