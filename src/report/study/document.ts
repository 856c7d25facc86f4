import { formatCount, formatMeasure, formatTime } from '../../base/format';
import { formatSummary, type Summary } from '../../base/statistics';
import { CONFIDENCE } from '../bootstrap';
import { averageText, formatDifference } from '../variant-table';
import type { Block, Section } from './blocks';
import { costTable } from './costs';
import type { StudyRow } from './results';
import type { Role } from './roles';
import type { Study } from './study';

/** A report on runs, section by section. */
export function studySections(study: Study): Section[] {
  return [
    { title: 'Results', blocks: [...results(study), ...matches(study)] },
    { title: 'What is missing', blocks: [listOr('Nothing: every stage is finished.', study.missing)] },
    { title: 'Perplexity while training', blocks: figures(study) },
    { title: 'Routing', blocks: routingTables(study) },
    { title: 'Costs', blocks: [costTable(study)] },
    { title: 'Data', blocks: dataTables(study) },
    { title: 'Runs', blocks: [originTable(study)] },
    { title: 'Experiment files', blocks: experimentFiles(study) },
  ];
}

const ROLE_WORDS = {
  seed: 'seed',
  specialist: 'specialist',
  dense: 'dense, continued',
  ensemble: 'ensemble',
  mixture: 'mixture',
  adapted: 'adapters',
} as const;

const METHOD_WORDS = {
  bam: 'BAM',
  btx: 'BTX',
  sparse: 'sparse upcycling',
  drop: 'Drop-Upcycling',
  scratch: 'mixture from scratch',
  split: 'MoEBERT',
} as const;
const ATTENTION_WORDS = { 'kv-experts': 'KV experts', 'shared-kv': 'shared KV' } as const;

/** What a stage is: its role, or the method of a mixture, with the kind of its attention experts and what pruning left of it. */
function roleText({ role, method, attention, left }: Role): string {
  if (!method) return ROLE_WORDS[role];
  const facts = [METHOD_WORDS[method], attention && ATTENTION_WORDS[attention], left && `${left} experts left`];
  return facts.filter(Boolean).join(', ');
}

function matchText({ match }: StudyRow): string {
  if (!match) return '-';
  return `${match.budget === 'data' ? 'DM' : 'CM'}: ${match.stage}${match.countsParents ? ' with parents' : ''}`;
}

/** One value as it is; over seeds its mean, deviation and number. */
function show(summary: Summary | null | undefined, hasSpread: boolean, format = formatMeasure): string {
  if (!summary) return '-';
  return hasSpread ? formatSummary(summary, format) : format(summary.mean);
}

/** Whether numbers are over several seeds, so that they have a spread. */
function isOverSeeds({ rows }: Study): boolean {
  return rows.some(({ planned }) => planned.length > 1);
}

function results(study: Study): Block[] {
  const { paths, domains, rows } = study;
  const spread = isOverSeeds(study);
  const cells = rows.map((row) => [
    row.stage,
    ...row.values.map((value) => value ?? '-'),
    roleText(row),
    matchText(row),
    ...domains.map((domain) => show(row.perplexity[domain], spread)),
    show(row.average, spread),
    show(row.pooledLoss, spread),
    row.difference ? formatDifference(row.difference) : '-',
  ]);
  const header = ['stage', ...paths, 'kind', 'matched', ...domains, 'average', 'pooled loss', 'difference'];
  return [
    { kind: 'text', text: resultsText(study) },
    { kind: 'table', caption: 'Held-out perplexity', header, rows: cells },
    ...taskTable(study),
    budgetTable(study),
  ];
}

/** What the numbers are, the columns of the average by name. */
function resultsText(study: Study): string {
  const { baseline } = study;
  const spread = isOverSeeds(study);
  return [
    `Held-out perplexity of finished stages, lower is better${spread ? ': mean ± standard deviation (number of seeds)' : ''}.`,
    averageText(study),
    `The difference is that of averages to ${baseline}, seed by seed (number of pairs)`,
    spread
      ? `with the ${CONFIDENCE * 100} % bootstrap interval of its mean.`
      : 'without an interval: it takes several seeds.',
  ].join(' ');
}

function taskTable(study: Study): Block[] {
  const { paths, rows } = study;
  const names = [...new Set(rows.flatMap(({ tasks }) => Object.keys(tasks)))];
  if (!names.length) return [];
  const percent = (share: number): string => (100 * share).toFixed(2);
  const cells = rows.map(({ stage, values, tasks }) => [
    stage,
    ...values.map((value) => value ?? '-'),
    ...names.map((name) => show(tasks[name], isOverSeeds(study), percent)),
  ]);
  const caption = 'Tasks: examples that were answered right, in percent';
  return [{ kind: 'table', caption, header: ['stage', ...paths, ...names], rows: cells }];
}

function budgetTable({ paths, rows }: Study): Block {
  const cells = rows.map(({ stage, values, parameters, tokens, flops, seconds }) => [
    stage,
    ...values.map((value) => value ?? '-'),
    ...[parameters.total, parameters.active].map(formatCount),
    ...[tokens, flops].map((count) => show(count, false, formatCount)),
    show(seconds, false, (value) => value.toFixed(1)),
  ]);
  const caption = 'Sizes and budgets: training of the stage alone, without its parents; mean over finished seeds';
  const header = ['stage', ...paths, 'parameters', 'active', 'tokens', 'FLOPs', 'seconds'];
  return { kind: 'table', caption, header, rows: cells };
}

function matches({ rows }: Study): Block[] {
  if (!rows.some(({ match }) => match)) return [];
  const text =
    'DM: data-matched, the same tokens as the named stage. CM: compute-matched, the same FLOPs as the named stage.';
  return [{ kind: 'text', text: `${text} What parents took counts only where that is said.` }];
}

function figures({ curves }: Study): Block[] {
  if (!curves.length)
    return [{ kind: 'text', text: 'No stage that nothing starts from was evaluated more than once.' }];
  const rows = curves.map(({ group, points }) => {
    const [first, last] = [points[0]!, points.at(-1)!];
    const best = points.reduce((lowest, point) => (point.average < lowest.average ? point : lowest));
    return [
      group,
      String(points.length),
      formatMeasure(first.average),
      formatMeasure(best.average),
      formatCount(best.tokens),
      formatMeasure(last.average),
    ];
  });
  const caption =
    'Average held-out perplexity of the stages that no other one starts from, mean over seeds: before training, the lowest with the tokens until it, and the last.';
  const header = ['stage', 'evaluations', 'first', 'lowest', 'at tokens', 'last'];
  return [
    { kind: 'figure', curves },
    { kind: 'table', caption, header, rows },
  ];
}

const ROUTER_WORDS = { ffn: 'FFN router', attention: 'attention router' } as const;

function routingTables({ routing }: Study): Block[] {
  if (!routing.length) return [{ kind: 'text', text: 'No finished stage has routers.' }];
  const places = [...new Set(routing.map(({ group, router }) => `${group} ${router}`))];
  const tables = places.map((place): Block => {
    const found = routing.filter(({ group, router }) => `${group} ${router}` === place);
    const { group, router, experts } = found[0]!;
    const spread = found[0]!.maxViolation.n > 1;
    const number = (summary: Summary): string => show(summary, spread, (value) => value.toFixed(3));
    const rows = found.map(({ domain, load, maxViolation, dead }) => [
      domain,
      ...load.map(number),
      number(maxViolation),
      show(dead, false, (value) => value.toFixed(2)),
    ]);
    const caption = `${group}, ${ROUTER_WORDS[router]} (fair: ${(1 / experts.length).toFixed(3)})`;
    return { kind: 'table', caption, header: ['domain', ...experts, 'MaxVio', 'dead'], rows };
  });
  const text =
    'Load by domain and expert on held-out text at the last evaluation, mean over layers. MaxVio is the largest load of a layer over the fair load, minus 1; dead are experts of a layer without a token.';
  return [{ kind: 'text', text }, ...tables];
}

/** A table for each set of corpora: mostly all runs have the same. */
function dataTables({ runs }: Study): Block[] {
  const contents = runs.map(({ tokenizer, domains }) => JSON.stringify([tokenizer, domains]));
  return [...new Set(contents)].map((content): Block => {
    const users = runs.filter((_, i) => contents[i] === content);
    const { tokenizer, domains } = users[0]!;
    const rows = domains.map(({ name, files, bytes, fingerprint }) => [name, `${files}`, `${bytes}`, fingerprint]);
    const caption = `Data of ${users.map(({ letter, run }) => `${letter} (${run})`).join(', ')}; tokenizer ${tokenizer}`;
    return { kind: 'table', caption, header: ['domain', 'files', 'bytes', 'fingerprint'], rows };
  });
}

function originTable({ runs }: Study): Block {
  const rows = runs.map((run) => [
    `${run.letter}: ${run.run}`,
    run.state,
    run.started === null ? '-' : formatTime(run.started),
    run.seeds.join(', '),
    run.commit ?? 'not in a git repository',
    run.version ?? '-',
    run.engines.join('; ') || '-',
  ]);
  const header = ['run', 'state', 'started', 'seeds', 'commit', 'BAM Studio', 'engine'];
  return { kind: 'table', caption: 'What ran', header, rows };
}

/** The copy that each run has; equal ones once. */
function experimentFiles({ runs }: Study): Block[] {
  const texts = [...new Set(runs.map(({ file }) => file))];
  return texts.map((text): Block => {
    const names = runs.filter(({ file }) => file === text).map(({ letter, run }) => `${letter} (${run})`);
    const name = `Run ${names.join(', ')}`;
    return text === null ? { kind: 'text', text: `${name}: experiment.yaml is gone.` } : { kind: 'file', name, text };
  });
}

function listOr(none: string, items: string[]): Block {
  return items.length ? { kind: 'list', items } : { kind: 'text', text: none };
}
