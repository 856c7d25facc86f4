import { reportAssets } from '../assets';
import { htmlDocument } from '../html-document';
import { details, html, Html, htmlTable } from '../html';
import type { Block } from './blocks';
import { studySections } from './document';
import { perplexityFigures } from './figure';
import type { Study } from './study';

/** A report as one HTML file that needs neither network nor scripts. */
export function studyPage(study: Study): string {
  const sections = studySections(study).map(
    ({ title, blocks }) =>
      html`<section>
        <h2>${title}</h2>
        ${blocks.map(blockHtml)}
      </section>`,
  );
  return htmlDocument({
    title: study.title,
    style: reportAssets().style,
    summary: study.runs.map(({ letter, run, state }) => `Run ${letter}: ${run}, ${state}`).join('; '),
    main: sections,
  });
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
