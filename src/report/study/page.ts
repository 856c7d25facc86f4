import { reportAssets } from '../assets';
import { details, html, Html, htmlTable } from '../html';
import { sourceHash } from '../policy';
import type { Block } from './blocks';
import { studySections } from './document';
import { perplexityFigures } from './figure';
import type { Study } from './study';

/** A report as one HTML file that needs neither network nor scripts. Its content policy allows the style inside by its hash, and nothing else. */
export function studyPage(study: Study): string {
  const { style } = reportAssets();
  const policy = ["default-src 'none'", `style-src ${sourceHash(style)}`, "base-uri 'none'", "form-action 'none'"];
  const sections = studySections(study).map(
    ({ title, blocks }) =>
      html`<section>
        <h2>${title}</h2>
        ${blocks.map(blockHtml)}
      </section>`,
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${study.title} - BAM Studio</title>
        ${new Html(`<style>${style}</style>`)}
      </head>
      <body>
        <header>
          <h1>${study.title}</h1>
          <p>${study.runs.map(({ letter, run, state }) => `Run ${letter}: ${run}, ${state}`).join('; ')}</p>
        </header>
        <main>${sections}</main>
      </body>
    </html> `.text;
}

function blockHtml(block: Block): Html {
  switch (block.kind) {
    case 'text':
      return html`<p>${block.text}</p>`;
    case 'list':
      return html`<ul>
        ${block.items.map((item) => html`<li>${item}</li>`)}
      </ul>`;
    case 'table':
      return htmlTable(block.caption, block.header, block.rows);
    case 'file':
      return details(block.name, new Html(`<pre>${html`${block.text}`.text}</pre>`));
    case 'figure':
      return perplexityFigures(block.curves);
  }
}
