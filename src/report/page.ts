import { formatCount, formatDuration, formatTime } from '../base/format';
import { reportAssets } from './assets';
import { lossSection, perplexitySection } from './charts';
import type { ReportData } from './collect';
import { htmlDocument } from './html-document';
import { embedJson, html, type Html, htmlTable } from './html';
import { routerSection } from './routers';
import { servingCells } from './serving-table';
import { type ResultsTable, tableCaption, tableCells } from './table';
import { TASK_CAPTION, taskCells } from './task-table';
import {
  VARIANT_TASK_CAPTION,
  variantCaption,
  variantCells,
  type VariantTable,
  variantTaskCells,
} from './variant-table';

/** A run's report as one HTML file that needs no network and opens from disk. */
export function renderReport(data: ReportData): string {
  const { style, library, client } = reportAssets();
  const perplexity = perplexitySection(data);
  const loss = lossSection(data);
  return htmlDocument({
    title: data.run.experiment,
    style,
    scripts: [library, client],
    summary: summary(data),
    main: html`${overSeeds('Results over seeds', data.variants)}
      <section>
        <h2>Results</h2>
        ${resultsHtml(data.results)}
      </section>
      ${laterSections(data)} ${servingSection(data)}
      <section>
        <h2>Held-out perplexity</h2>
        ${perplexity.html}
      </section>
      <section>
        <h2>Training loss</h2>
        ${loss.html}
      </section>
      <section>
        <h2>Routers</h2>
        ${routerSection(data)}
      </section>
      <section>
        <h2>What ran</h2>
        ${origin(data)}
      </section>
      <section>
        <h2>Notes</h2>
        ${notes(data)}
      </section>`,
    data: html`<script type="application/json" id="data">
      ${embedJson({ charts: [...perplexity.charts, ...loss.charts] })}
    </script>`,
  });
}

function summary({ run }: ReportData): string {
  const took = run.seconds === null ? '' : ` in ${formatDuration(run.seconds)}`;
  const begun = run.started === null ? '' : `, started ${formatTime(run.started)}`;
  const why = run.message ? `: ${run.message}` : '';
  return `Run ${run.id}: ${run.state}${took}, ${run.stagesDone} of ${run.stagesTotal} stages done${begun}${why}`;
}

function resultsHtml(results: ResultsTable): Html {
  const { header, rows } = tableCells(results);
  const last = header.length - 1;
  const mark = (row: number, column: number): string => (column === last && results.rows[row]!.isBest ? 'best' : '');
  const hasBest = results.rows.some(({ isBest }) => isBest);
  const tasks = taskCells(results);
  return html`${htmlTable(`${tableCaption(results)}${hasBest ? ' Bold is best.' : ''}`, header, rows, mark)}
  ${tasks ? htmlTable(TASK_CAPTION, tasks.header, tasks.rows) : ''}`;
}

/** Results over seeds, where there are variants. */
function overSeeds(title: string, variants: VariantTable | undefined): Html {
  if (!variants) return html``;
  const { header, rows } = variantCells(variants);
  const tasks = variantTaskCells(variants);
  return html`<section>
    <h2>${title}</h2>
    ${htmlTable(variantCaption(variants), header, rows)}
    ${tasks ? htmlTable(VARIANT_TASK_CAPTION, tasks.header, tasks.rows) : ''}
  </section>`;
}

/** How stages decode with their experts on the disk. */
function servingSection({ servings }: ReportData): Html {
  if (!servings.length) return html``;
  const tables = servings.map(servingCells).map(({ caption, header, rows }) => htmlTable(caption, header, rows));
  return html`<section>
    <h2>Served with experts on the disk</h2>
    ${tables}
  </section>`;
}

/** What `bam evaluate` found, where it was used. */
function laterSections({ later }: ReportData): Html {
  if (!later) return html``;
  return html`<section>
      <h2>Evaluated after training</h2>
      <p>${later.heading}</p>
      ${resultsHtml(later.results)}
    </section>
    ${overSeeds('Evaluated after training, over seeds', later.variants)}`;
}

function origin({ run, plan }: ReportData): Html {
  const engines = [...new Set(run.stages.flatMap(({ engine }) => engine ?? []))];
  const cached = run.stages.flatMap(({ name, fromRun }) => (fromRun ? [`${name} from ${fromRun}`] : []));
  const seeds = plan ? [...new Set(plan.stages.map(({ seed }) => seed))] : [run.seed ?? []].flat();
  const facts: [string, string][] = [
    ['Run', run.id],
    ['Experiment file', run.file ?? 'not known'],
    ['Seed', seeds.join(', ') || 'not known'],
    ['Commit', run.commit ?? 'not in a git repository'],
    ['BAM Studio', run.version ?? 'not known'],
    ['Engine', engines.join('; ') || 'none: no stage was trained in this run'],
    ['Taken from the cache', cached.join(', ') || 'nothing'],
  ];
  if (run.started !== null) facts.push(['Started', formatTime(run.started)]);
  if (plan) facts.push(['Tokenizer', `${plan.tokenizer.name}, ${plan.tokenizer.vocabulary} tokens`]);
  const terms = facts.map(
    ([term, fact]) =>
      html`<dt>${term}</dt>
        <dd>${fact}</dd>`,
  );
  const domains = plan?.domains ?? [];
  const rows = domains.map(({ name, files, bytes, fingerprint }) => [
    name,
    String(files),
    formatCount(bytes),
    fingerprint,
  ]);
  const table = htmlTable('Data', ['domain', 'files', 'bytes', 'fingerprint'], rows, (_, column) =>
    column === 3 ? 'text' : '',
  );
  return html`<dl>${terms}</dl>
    ${plan ? table : html`<p>The run’s plan.json is gone: parameter counts and data are not known.</p>`}`;
}

function notes({ run }: ReportData): Html {
  const lines = [
    ...run.notes.map(
      ({ time, level, stage, message }) => `${formatTime(time)} ${level}${stage ? `, ${stage}` : ''}: ${message}`,
    ),
    ...run.stages.flatMap(({ name, state, detail }) =>
      state === 'failed' && detail ? [`${name} failed: ${detail}`] : [],
    ),
    ...run.problems.map((problem) => `The log could not be read in full: ${problem}`),
  ];
  return lines.length
    ? html`<ul>
        ${lines.map((line) => html`<li>${line}</li>`)}
      </ul>`
    : html`<p>None.</p>`;
}
