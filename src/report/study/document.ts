import { formatCount, formatMeasure, formatTime } from '../../base/format';
import { formatSummary, type Summary } from '../../base/statistics';
import { CONFIDENCE } from '../bootstrap';
import { formatDifference } from '../variant-table';
import type { Block, Section } from './blocks';
import { costTable } from './costs';
import type { StudyRow } from './results';
import type { Study } from './study';

/** A report on runs, section by section. */
export function studySections(study: Study): Section[] {
  return [
    { title: 'Results', blocks: [resultsTable(study), ...matches(study)] },
    { title: 'What is missing', blocks: [listOr('Nothing: every stage is finished.', study.missing)] },
    { title: 'Perplexity while training', blocks: figures(study) },
    { title: 'Routing', blocks: routingTables(study) },
    { title: 'Costs', blocks: [costTable(study)] },
    { title: 'Data', blocks: study.runs.map(dataTable) },
    { title: 'Runs', blocks: [originTable(study)] },
    { title: 'Experiment files', blocks: experimentFiles(study) },
  ];
}

const ROLE_WORDS = { seed: 'seed', specialist: 'specialist', dense: 'dense, continued', mixture: 'mixture' } as const;

/** What a stage is: its role, or the method of a mixture. */
export function roleText({ role, method }: Pick<StudyRow, 'role' | 'method'>): string {
  return method?.toUpperCase() ?? ROLE_WORDS[role];
}

function matchText({ match }: StudyRow): string {
  if (!match) return '-';
  return `${match.budget === 'data' ? 'DM' : 'CM'}: ${match.stage}`;
}

/** One value as it is; over seeds its mean, deviation and number. */
function show(summary: Summary | null | undefined, isOverSeeds: boolean, format = formatMeasure): string {
  if (!summary) return '-';
  return isOverSeeds ? formatSummary(summary, format) : format(summary.mean);
}

function resultsTable(study: Study): Block {
  const { paths, domains, rows, baseline } = study;
  const isOverSeeds = rows.some(({ planned }) => planned.length > 1);
  const header = ['kind', 'stage', 'matched', ...paths, ...domains, 'average', 'difference'];
  const cells = rows.map((row) => [
    roleText(row),
    row.stage,
    matchText(row),
    ...row.values.map((value) => value ?? '-'),
    ...domains.map((domain) => show(row.perplexity[domain], isOverSeeds)),
    show(row.average, isOverSeeds),
    row.difference ? formatDifference(row.difference) : '-',
    ...[row.parameters.total, row.parameters.active].map(formatCount),
    show(row.tokens, false, formatCount),
    show(row.flops, false, formatCount),
    row.seconds ? row.seconds.mean.toFixed(1) : '-',
  ]);
  const caption = [
    'Held-out perplexity of finished stages, lower is better',
    isOverSeeds ? ', mean ± standard deviation (number of seeds)' : '',
    `. The average is over ${domains.join(', ') || 'no domain yet'}`,
    `. The difference is that of averages to ${baseline}, seed by seed, (pairs) behind it`,
    isOverSeeds ? `, with the ${CONFIDENCE * 100} % bootstrap interval of its mean` : '',
    '. Tokens, FLOPs and seconds are those of training the stage alone, without its parents',
    isOverSeeds ? ', means over the seeds.' : '.',
  ].join('');
  const budget = ['parameters', 'active', 'tokens', 'FLOPs', 'seconds'];
  return { kind: 'table', caption, header: [...header, ...budget], rows: cells };
}

function matches({ rows }: Study): Block[] {
  if (!rows.some(({ match }) => match)) return [];
  const text =
    'DM: data-matched, the same tokens as the named stage. CM: compute-matched, the same FLOPs as the named stage.';
  return [{ kind: 'text', text: `${text} Neither counts what the stage’s parents took.` }];
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
  return places.map((place): Block => {
    const found = routing.filter(({ group, router }) => `${group} ${router}` === place);
    const { group, router, experts } = found[0]!;
    const isOverSeeds = found[0]!.maxViolation.n > 1;
    const number = (summary: Summary): string => show(summary, isOverSeeds, (value) => value.toFixed(3));
    const rows = found.map(({ domain, load, maxViolation, dead }) => [
      domain,
      ...load.map(number),
      number(maxViolation),
      show(dead, false, (value) => value.toFixed(2)),
    ]);
    const caption = `${group}, ${ROUTER_WORDS[router]}: load by domain and expert on held-out text, mean over layers (fair: ${(1 / experts.length).toFixed(3)}). MaxVio: largest load of a layer over the fair load, minus 1. Dead: experts of a layer without a token.`;
    return { kind: 'table', caption, header: ['domain', ...experts, 'MaxVio', 'dead'], rows };
  });
}

function dataTable({ letter, run, tokenizer, domains }: Study['runs'][number]): Block {
  const rows = domains.map(({ name, files, bytes, fingerprint }) => [name, String(files), String(bytes), fingerprint]);
  const caption = `Data of run ${letter} (${run}); tokenizer ${tokenizer}`;
  return { kind: 'table', caption, header: ['domain', 'files', 'bytes', 'fingerprint'], rows };
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
