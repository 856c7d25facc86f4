import { source } from 'axe-core';
import { setTimeout } from 'node:timers/promises';
import type { Frame, Page } from 'playwright-core';

/** The document of a panel. Playwright's frame has `locator`, `getByRole` and `waitForFunction` for it. */
export type Webview = Frame;

/** The document inside the panel with this title; waits until its page is loaded and has drawn something. */
export async function webviewFrame(page: Page, title: string): Promise<Webview> {
  // VS Code puts a panel's page into two frames; the inner one bears the panel's title and is made anew when the page changes.
  for (const end = Date.now() + 20_000; Date.now() < end; await setTimeout(100)) {
    const selector = `iframe#active-frame[title=${JSON.stringify(title)}]`;
    for (const outer of page.frames().filter((frame) => frame.url().includes('/webview/browser/pre/index.html'))) {
      const frame = await outer
        .$(selector)
        .then((element) => element?.contentFrame())
        .catch(() => undefined);
      if (!frame) continue;
      // A frame that is made anew meanwhile fails at once, and the new one is looked for.
      const drawn = frame.locator('#main > *').first();
      const timeout = Math.max(1, end - Date.now());
      const isDrawn = await drawn.waitFor({ state: 'attached', timeout }).then(
        () => true,
        () => false,
      );
      if (isDrawn) return frame;
    }
  }
  throw new Error(`no panel with the title ${title} opened and drew its page within 20 s`);
}

/** One rule of accessibility that a page breaks. */
export interface Violation {
  rule: string;
  impact: string;
  help: string;
  /** Selectors of the elements concerned. */
  elements: string[];
}

interface AxeResult {
  violations: { id: string; impact: string | null; help: string; nodes: { target: unknown[] }[] }[];
}

/** What axe-core finds serious or critical in a panel, in the theme that it wears now. */
export async function accessibilityViolations(webview: Webview): Promise<Violation[]> {
  await webview.evaluate(source);
  const { violations } = await webview.evaluate<AxeResult>('axe.run(document)');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, help, nodes }) => ({
      rule: id,
      impact: impact!,
      help,
      elements: nodes.map(({ target }) => target.join(' ')),
    }));
}
