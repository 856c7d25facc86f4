import { join } from 'node:path';
import { runInHost } from '../../test/e2e/support/host-tests';
import type { HostTimes } from './host/blocking';
import { withBenchWorkspace, writeRun } from './synthetic';

/** Activation and longest blocking of the real extension host, over a workspace of 200 runs and one of 50,000 steps. */
export function benchHost(): Promise<HostTimes> {
  return withBenchWorkspace(async (workspace) => {
    const time = Date.UTC(2026, 0, 1);
    for (let i = 0; i < 200; i++) {
      writeRun(workspace, `small-${i}`, { stages: ['seed', 'bam'], steps: 3, routers: true, time: time + i * 60_000 });
    }
    writeRun(workspace, 'large-1', { stages: ['seed', 'bam'], steps: 25_000, routers: true, time: time + 1e9 });
    const files = [join(__dirname, 'host', 'blocking.ts')];
    return runInHost<HostTimes>({ files, folder: workspace.root, milliseconds: 180_000 });
  });
}
