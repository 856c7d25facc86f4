/** Text that is HTML already, as opposed to text that still has to be escaped. */
export class Html {
  constructor(readonly text: string) {}
}

type HtmlValue = string | number | Html | readonly Html[];

/** Builds HTML from a template: every value that is not HTML itself is escaped, so a name can never become markup. */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): Html {
  return new Html(strings.reduce((text, part, i) => text + toHtml(values[i - 1]!) + part));
}

function toHtml(value: HtmlValue): string {
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(({ text }) => text).join('\n');
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Data for a script, as the text of `<script type="application/json">`: nothing in it can end the element. */
export function embedJson(data: unknown): Html {
  return new Html(JSON.stringify(data).replace(/</g, '\\u003c'));
}

/** A table whose first column heads its rows. `marks` gives a cell (row, column) a class. */
export function htmlTable(
  caption: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
  marks: (row: number, column: number) => string = () => '',
): Html {
  const head = header.map((cell) => html`<th scope="col">${cell}</th>`);
  const body = rows.map((cells, row) => {
    const [first, ...rest] = cells.map((cell, column) => ({ cell, mark: marks(row, column) }));
    const others = rest.map(({ cell, mark }) =>
      mark ? html`<td class="${mark}">${cell}</td>` : html`<td>${cell}</td>`,
    );
    return html`<tr>
      <th scope="row">${first?.cell ?? ''}</th>
      ${others}
    </tr>`;
  });
  // A wide table scrolls in its own box, which the keyboard must be able to reach.
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head}
        </tr>
      </thead>
      <tbody>
        ${body}
      </tbody>
    </table>
  </div>`;
}

/** Something to open for those who want the numbers of a chart. */
export function details(summary: string, content: Html): Html {
  return html`<details>
    <summary>${summary}</summary>
    ${content}
  </details>`;
}
