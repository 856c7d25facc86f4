import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { build } from 'esbuild';
import type { HostTest } from '../../host/run';
import { ROOT } from './code-server';
import { Workbench } from './workbench';

/**
 * Bundles test/host and runs its tests inside the extension host of a workbench with this folder opened.
 * Rejects, with what the server wrote, if the host gave no results within `milliseconds`.
 */
export async function runHostTests(folder: string, milliseconds: number): Promise<HostTest[]> {
  const place = mkdtempSync(join(tmpdir(), 'bam-host-'));
  try {
    await bundle(place);
    return await runIn(place, folder, milliseconds);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Each file of tests, and the runner, becomes one JavaScript file; packages are loaded from the clone's node_modules. */
async function bundle(place: string): Promise<void> {
  const sources = readdirSync(join(ROOT, 'test/host')).filter((name) => name.endsWith('.test.ts') || name === 'run.ts');
  symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'));
  await build({
    entryPoints: sources.map((name) => join(ROOT, 'test/host', name)),
    outdir: place,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'cjs',
  });
}

async function runIn(place: string, folder: string, milliseconds: number): Promise<HostTest[]> {
  const results = join(place, 'results.json');
  let ended = (): void => undefined;
  const end = new Promise<void>((resolve) => (ended = resolve));
  const options = { folder, hostTests: join(place, 'run.js'), env: { BAM_HOST_RESULTS: results } };
  const workbench = await Workbench.open(options, async (page) => {
    // The workbench calls these two when it runs tests: with what the host printed, and when it has ended.
    await page.exposeFunction('codeAutomationLog', () => undefined);
    await page.exposeFunction('codeAutomationExit', () => ended());
  });
  try {
    await Promise.race([end, setTimeout(milliseconds, undefined, { ref: false })]);
    if (existsSync(results)) return JSON.parse(readFileSync(results, 'utf8')) as HostTest[];
    throw new Error(`the extension host wrote no results. The server wrote:\n${workbench.serverOutput}`);
  } finally {
    await workbench.close();
  }
}
