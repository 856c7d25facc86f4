import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';
import type { Home } from './home';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser that tests use: `CHROMIUM` if set, else the first on the path; undefined where there is none. */
export function findChromium(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  return NAMES.map(findProgram).find((path) => path !== undefined);
}

/** The path of a program that a shell would start; undefined where there is none. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Starts the browser with an empty profile in the home given. Closing the context ends it; so does the end of this process. */
export async function startBrowser(home: Home): Promise<BrowserContext> {
  return chromium.launchPersistentContext(home.path('chromium'), {
    executablePath: findChromium(),
    env: home.environment,
    viewport: { width: 1400, height: 900 },
    // A container's /dev/shm is often too small for a browser.
    args: ['--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update'],
  });
}
