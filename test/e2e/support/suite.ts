import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findChromium, findProgram } from './browser';
import { ROOT } from './code-server';
import type { Workbench } from './workbench';

/** Why these tests cannot run on this machine; undefined where they can. */
function missing(): string | undefined {
  if (process.platform !== 'linux') return 'they were only made to run on Linux';
  if (!findChromium()) return 'no chromium, chromium-browser or google-chrome on the path, nor named by CHROMIUM';
  if (!findProgram('rg')) return 'no ripgrep (rg) on the path, which the workbench searches files with';
  return undefined;
}

let told = false;

function tellAtTheEnd(reason: string): void {
  if (told) return;
  told = true;
  process.once('exit', () => console.log(`The tests in the VS Code workbench were skipped: ${reason}.`));
}

/**
 * A suite of tests in the workbench. They are pending, with the reason in the title, where the machine has no browser;
 * else code-server is installed first if it is missing (about a minute).
 */
export function describeWorkbench(title: string, body: (this: Mocha.Suite) => void): void {
  const reason = missing();
  if (reason) {
    tellAtTheEnd(reason);
    return void describe.skip(`${title} (skipped: ${reason})`, body);
  }
  describe(title, function () {
    this.timeout(120_000);
    before('install code-server', function () {
      this.timeout(600_000);
      const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/workbench.mjs')], {
        encoding: 'utf8',
        stdio: ['ignore', 'inherit', 'pipe'],
      });
      if (status !== 0) throw new Error(`code-server could not be installed:\n${stderr}`);
    });
    body.call(this);
  });
}

/** Hook for `afterEach`: a failed test leaves a picture of the window, and says where. */
export async function keepPicture(test: Mocha.Test | undefined, workbench: Workbench | undefined): Promise<void> {
  if (test?.state !== 'failed' || !workbench) return;
  const folder = join(ROOT, 'node_modules/.cache/e2e');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${test.fullTitle().replace(/[^\w]+/g, '-')}.png`);
  await workbench.screenshot(path).catch(() => undefined);
  console.log(`      picture of the window: ${path}`);
}
