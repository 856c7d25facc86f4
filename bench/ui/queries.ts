// A workspace of 1,000 runs: how long the first look and every query of the tree and the run table take, in milliseconds.
import { performance } from 'node:perf_hooks';
import { queryRunTable } from '../../src/store/run-table';
import { withIndex } from '../../src/store/index';
import { queryRun, queryRuns } from '../../src/store/queries';
import { withBenchWorkspace, writeRun } from './synthetic';

const RUNS = 1000;
const ROUNDS = 9;
const STAGES = ['seed', 'law', 'code', 'math', 'bam', 'bam-shared-kv', 'btx', 'dense'];

/** Medians of several rounds. */
export async function benchQueries(): Promise<object> {
  return withBenchWorkspace(async (workspace) => {
    for (let i = 0; i < RUNS; i++) {
      const time = Date.UTC(2026, 0, 1) + i * 60_000;
      writeRun(workspace, `bench-${String(i).padStart(4, '0')}`, { stages: STAGES, steps: 3, routers: true, time });
    }
    await withIndex(workspace, async () => undefined);
    const { value } = await withIndex(workspace, async (index) => ({
      tree: await median(() => queryRuns(workspace, index)),
      stagesOfARun: await median(() => queryRun(workspace, index, 'bench-0500')),
      runTable: await median(() => queryRunTable(workspace, index)),
    }));
    return { runs: RUNS, openAndLook: await median(() => withIndex(workspace, async () => undefined)), ...value };
  });
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    await work();
    times.push(performance.now() - begin);
  }
  return +times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!.toFixed(1);
}
