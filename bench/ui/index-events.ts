// Takes 50,000 events into the index, and looks for the longest time that this blocks the process.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { withIndex } from '../../src/store/index';
import { withBenchWorkspace, writeRun } from './synthetic';

const EVENTS = 50_000;

/** Seconds to index, and the longest blocking in milliseconds, for runs of dense and of mixture stages. */
export async function benchIndex(): Promise<object> {
  const measured: Record<string, object> = {};
  for (const routers of [false, true]) {
    measured[routers ? 'eight routers' : 'dense'] = await withBenchWorkspace(async (workspace) => {
      writeRun(workspace, 'bench-1', { stages: ['a', 'b'], steps: EVENTS / 2, routers, time: Date.UTC(2026, 0, 1) });
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const begin = performance.now();
      await withIndex(workspace, async () => undefined);
      const seconds = (performance.now() - begin) / 1000;
      delay.disable();
      return { seconds: +seconds.toFixed(2), longestBlockMilliseconds: +(delay.max / 1e6).toFixed(1) };
    });
  }
  return measured;
}
