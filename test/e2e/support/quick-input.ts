import { setTimeout } from 'node:timers/promises';
import { errors, type Locator, type Page } from 'playwright-core';

/** How often a panel that just opened may take the focus, and close the input with that. */
const ATTEMPTS = 5;

/** The box at the top of the window: palette, quick picks, questions for a text. */
export class QuickInput {
  constructor(private readonly page: Page) {}

  private get widget(): Locator {
    return this.page.locator('.quick-input-widget');
  }

  /** The rows offered, by the whole text of their label. */
  row(label: string | RegExp): Locator {
    const text = this.page.locator('.label-name').filter({ hasText: whole(label) });
    return this.widget.locator('.quick-input-list .monaco-list-row').filter({ has: text });
  }

  /** Opens the box with a key, writes into it and takes the row with this label; tries again where the box closes meanwhile. */
  async choose(key: string, text: string, label: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.page.keyboard.press(key);
        await this.widget.locator('input.input').fill(text, { timeout: 3000 });
        return await this.row(label).first().click({ timeout: 3000 });
      } catch (error) {
        if (!(error instanceof errors.TimeoutError) || attempt === ATTEMPTS) throw error;
        await this.page.keyboard.press('Escape');
      }
    }
  }

  /** Takes a row of a pick that the extension shows. */
  async pick(label: string | RegExp): Promise<void> {
    await this.row(label).first().click();
  }

  /** Answers a question for a text, once the box proposes what is expected: it may still show the question before. */
  async write(text: string, proposed: RegExp): Promise<void> {
    const input = this.widget.locator('input.input');
    for (const end = Date.now() + 20_000; !proposed.test(await input.inputValue()); await setTimeout(50)) {
      if (Date.now() > end) throw new Error(`the box did not propose ${proposed} within 20 s`);
    }
    await input.fill(text);
    await this.page.keyboard.press('Enter');
  }
}

/** A pattern for the whole of a text, as VS Code writes it: its blanks may be hard ones. */
export function whole(text: string | RegExp): RegExp {
  if (text instanceof RegExp) return text;
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^\\s*${escaped.replace(/ /g, '\\s')}\\s*$`);
}
