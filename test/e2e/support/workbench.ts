import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { startBrowser } from './browser';
import { CodeServer, installExtension, ROOT, type Settings } from './code-server';
import { Home } from './home';
import { QuickInput, whole } from './quick-input';
import { webviewFrame, type Webview } from './webview';

/** The themes in which people look at a panel, with the class that the workbench has in each. */
const THEMES = {
  'Default Dark Modern': 'vs-dark',
  'Default Light Modern': 'vs',
  'Default High Contrast': 'hc-black',
} as const;

export type Theme = keyof typeof THEMES;
export const themes = Object.keys(THEMES) as Theme[];

/** How pictures name a theme. */
export const THEME_NAMES: Record<Theme, string> = {
  'Default Dark Modern': 'dark',
  'Default Light Modern': 'light',
  'Default High Contrast': 'high-contrast',
};
/** Where the pictures of the documentation are. */
export const PICTURES = join(ROOT, 'docs', 'images');

export interface WorkbenchOptions {
  /** The workspace folder that is opened. */
  folder: string;
  /** A packed extension to install; without it the clone itself is loaded, as F5 in VS Code does. */
  vsix?: string;
  /** A module that runs inside the extension host and exports `run(): Promise<void>`. */
  hostTests?: string;
  settings?: Settings;
  /** Variables for the extension host. */
  env?: Record<string, string>;
}

/** VS Code's workbench with the extension, opened in a browser: what a user sees and does. Close it after the tests. */
export class Workbench {
  readonly quickInput: QuickInput;
  private changed: Settings = {};

  private constructor(
    private readonly options: WorkbenchOptions,
    private readonly home: Home,
    private readonly server: CodeServer,
    private readonly browser: BrowserContext,
    readonly page: Page,
  ) {
    this.quickInput = new QuickInput(page);
  }

  /** Starts the server and the browser. `beforeLoading` gets the empty page. */
  static async open(options: WorkbenchOptions, beforeLoading?: (page: Page) => Promise<void>): Promise<Workbench> {
    const home = new Home();
    let server: CodeServer | undefined;
    let browser: BrowserContext | undefined;
    try {
      if (options.vsix) await installExtension(home, options.vsix);
      server = await CodeServer.start(home, options.settings ?? {}, options.env ?? {});
      browser = await startBrowser(home);
      const page = browser.pages()[0]!;
      const workbench = new Workbench(options, home, server, browser, page);
      await beforeLoading?.(page);
      await workbench.load();
      return workbench;
    } catch (error) {
      await browser?.close();
      await server?.stop();
      home.remove();
      throw error;
    }
  }

  /** Opens the workbench in the page; a second call is what a user's reload of the window is. */
  async load(): Promise<void> {
    const { folder, vsix, hostTests } = this.options;
    const payload: [string, string][] = [];
    if (!vsix) payload.push(['extensionDevelopmentPath', this.server.uri(ROOT)]);
    if (hostTests) payload.push(['extensionTestsPath', this.server.uri(hostTests)]);
    await this.page.goto(this.server.address(folder, payload));
    await this.page.locator('.monaco-workbench .activitybar').waitFor({ timeout: 60_000 });
  }

  /** The last lines that the server wrote, for the message of a failed test. */
  get serverOutput(): string {
    return this.server.output;
  }

  /** Ends browser and server, and deletes what they wrote. */
  async close(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
    this.home.remove();
  }

  /** Writes a picture of the whole window. */
  async screenshot(path: string): Promise<void> {
    rmSync(path, { force: true });
    await this.page.screenshot({ path });
  }

  /** Changes settings while the workbench runs, in the workspace folder: the user's own are read when it starts only. */
  configure(settings: Settings): void {
    this.changed = { ...this.changed, ...settings };
    const folder = join(this.options.folder, '.vscode');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'settings.json'), JSON.stringify(this.changed, null, 2));
  }

  /** Changes the theme and waits until the workbench wears it. */
  async wear(theme: Theme): Promise<void> {
    this.configure({ 'workbench.colorTheme': theme });
    await this.page.locator(`.monaco-workbench.${THEMES[theme]}`).waitFor();
  }

  /** Runs a command of the palette by its whole title, e.g. `BAM: Show Table`. */
  async command(title: string): Promise<void> {
    await this.quickInput.choose('F1', `>${title}`, title);
  }

  /** Opens a file of the workspace, by its path in it, and waits until its tab is in front; a panel that opens late may push it back. */
  async openFile(path: string): Promise<void> {
    const name = path.split('/').at(-1)!;
    const front = this.page
      .locator('.tabs-container .tab.active')
      .filter({ has: this.page.getByText(name, { exact: true }) });
    for (let attempt = 1; ; attempt++) {
      await this.quickInput.choose('Control+P', path, name);
      try {
        return await front.first().waitFor({ timeout: 5000 });
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  /** An editor's or a panel's tab. */
  tab(title: string | RegExp): Locator {
    return this.page.locator('.tabs-container .tab').filter({ has: this.page.getByText(title, { exact: true }) });
  }

  /** The editor with the focus, for its text, decorations and lenses. */
  get editor(): Locator {
    return this.page.locator('.editor-group-container.active .monaco-editor').first();
  }

  /** A lens over a line of the file by its whole text; only those in sight are there. */
  lens(text: string | RegExp): Locator {
    return this.editor.locator('.codelens-decoration a').filter({ hasText: whole(text) });
  }

  /** Shows a container of the activity bar, e.g. `BAM Studio`. */
  async openView(title: string): Promise<void> {
    const icon = this.activity(title);
    const shown = this.page.locator('.sidebar .composite.title').filter({ hasText: title });
    // A click on the icon of the view that is shown hides it, and a window that loads may show it between the look and the click.
    const item = this.page.locator('.activitybar .action-item.checked').filter({ has: icon });
    for (let attempt = 1; ; attempt++) {
      if (!(await item.count())) await icon.click();
      try {
        return await shown.waitFor({ timeout: 5000 });
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  /** The icon of a container in the activity bar. */
  activity(title: string): Locator {
    return this.page.locator(`.activitybar a.action-label[aria-label^="${title}"]`);
  }

  /** Rows of the sidebar's trees that hold this text. */
  treeItem(text: string | RegExp): Locator {
    return this.page.locator('.sidebar .monaco-list-row').filter({ hasText: text });
  }

  /** Opens the menu of the right mouse button and chooses from it. */
  async menu(target: Locator, choice: string): Promise<void> {
    await target.click({ button: 'right' });
    const item = this.page.locator('.monaco-menu .action-label').filter({ hasText: whole(choice) });
    // A menu that just opened takes no click for a moment; the key it takes at once.
    await item.hover();
    await this.page.keyboard.press('Enter');
  }

  /** Shows the problems panel. Its rows are found by `problem`. */
  async openProblems(): Promise<void> {
    await this.command('Problems: Focus on Problems View');
    await this.page.locator('.markers-panel').waitFor();
  }

  /** Rows of the problems panel that hold this text. */
  problem(text: string | RegExp): Locator {
    return this.page.locator('.markers-panel .monaco-list-row').filter({ hasText: text });
  }

  /** Messages in the corner that hold this text, with progress among them. */
  notification(text: string | RegExp): Locator {
    return this.page.locator('.notifications-toasts .notification-list-item').filter({ hasText: text });
  }

  /** Presses a button of such a message. */
  async answer(notification: string | RegExp, button: string): Promise<void> {
    const buttons = this.notification(notification).locator('.notification-list-item-buttons-container .monaco-button');
    await buttons.filter({ hasText: whole(button) }).click();
  }

  /** A modal message in the middle, with its buttons. */
  dialog(text: string | RegExp): Locator {
    return this.page.locator('.monaco-dialog-box').filter({ hasText: text });
  }

  /** Items of the status bar that hold this text. */
  statusItem(text: string | RegExp): Locator {
    return this.page.locator('.statusbar .statusbar-item').filter({ hasText: text });
  }

  /** The inside of the panel with this title. */
  webview(title: string): Promise<Webview> {
    return webviewFrame(this.page, title);
  }
}
