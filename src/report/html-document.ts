import { createHash } from 'node:crypto';
import { html, Html } from './html';

/** The parts of an HTML file that loads nothing. */
export interface HtmlDocument {
  title: string;
  style: string;
  /** In this order at the end of the body. */
  scripts?: readonly string[];
  /** Below the title. */
  summary: string;
  main: Html | readonly Html[];
  /** Between the main part and the scripts. */
  data?: Html;
}

/**
 * One HTML file that needs no network and opens from disk. Its content policy allows the style and the scripts inside by their hashes,
 * and nothing else.
 */
export function htmlDocument({ title, style, scripts = [], summary, main, data = html`` }: HtmlDocument): string {
  const policy = [
    "default-src 'none'",
    `style-src ${sourceHash(style)}`,
    ...(scripts.length ? [`script-src ${scripts.map(sourceHash).join(' ')}`] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} - BAM Studio</title>
        ${exactly('style', style)}
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p>${summary}</p>
        </header>
        <main>${main}</main>
        ${data} ${scripts.map((text) => exactly('script', text))}
      </body>
    </html> `.text;
}

/** How a content policy names an inline text. */
function sourceHash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** An element with exactly this text, of which the policy has the hash (a formatter may add space inside a template). */
function exactly(element: 'script' | 'style', text: string): Html {
  return new Html(`<${element}>${text}</${element}>`);
}
