import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { build } from 'esbuild';
import type { HostTest } from '../../host/run';
import { ROOT } from './code-server';
import { Workbench } from './workbench';

/** Bundles test/host and runs its tests inside the extension host of a workbench with this folder opened. Rejects like `runInHost`. */
export function runHostTests(folder: string, milliseconds: number): Promise<HostTest[]> {
  const tests = readdirSync(join(ROOT, 'test/host')).filter((name) => name.endsWith('.test.ts'));
  const files = ['run.ts', ...tests].map((name) => join(ROOT, 'test/host', name));
  return runInHost<HostTest[]>({ files, folder, milliseconds });
}

export interface HostModule {
  /** TypeScript files; each becomes one JavaScript file beside the others, and the first exports `run(): Promise<void>`. */
  files: string[];
  folder: string;
  milliseconds: number;
}

/**
 * Runs a module inside the extension host, and returns what it wrote as JSON to the file that BAM_HOST_RESULTS names.
 * Rejects, with what the server wrote, if the host gave no results in time.
 */
export async function runInHost<T>({ files, folder, milliseconds }: HostModule): Promise<T> {
  const place = mkdtempSync(join(tmpdir(), 'bam-host-'));
  try {
    await bundle(files, place);
    return await runIn<T>(join(place, basename(files[0]!, '.ts')), folder, milliseconds);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Packages are loaded from the clone's node_modules. */
async function bundle(files: string[], place: string): Promise<void> {
  symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'));
  await build({
    entryPoints: files,
    outdir: place,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'cjs',
  });
}

async function runIn<T>(module: string, folder: string, milliseconds: number): Promise<T> {
  const results = `${module}.json`;
  let ended = (): void => undefined;
  const end = new Promise<void>((resolve) => (ended = resolve));
  const options = { folder, hostTests: `${module}.js`, env: { BAM_HOST_RESULTS: results } };
  const workbench = await Workbench.open(options, async (page) => {
    // The workbench calls these two when it runs tests: with what the host printed, and when it has ended.
    await page.exposeFunction('codeAutomationLog', () => undefined);
    await page.exposeFunction('codeAutomationExit', () => ended());
  });
  try {
    await Promise.race([end, setTimeout(milliseconds, undefined, { ref: false })]);
    if (existsSync(results)) return JSON.parse(readFileSync(results, 'utf8')) as T;
    throw new Error(`the extension host wrote no results. The server wrote:\n${workbench.serverOutput}`);
  } finally {
    await workbench.close();
  }
}
