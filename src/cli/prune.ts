import { BamError } from '../base/errors';
import { formatMeasure } from '../base/format';
import { textTable } from '../base/text-table';
import { PRUNE_TOKENS } from '../config/prune-schema';
import { tryPruning } from '../launch/try-pruning';
import { namedExperts } from '../plan/expert-names';
import {
  type Alike,
  type ExpertReport,
  type ExpertTrial,
  SCORE_METHODS,
  type ScoreMethod,
} from '../plan/expert-report';
import { countOption, planOf } from './evaluate';
import { builtScript, EXIT_CODES, prepareRuntime } from './launch';
import { LiveLine } from './live-line';
import { interruptSignal, type Output, printJson } from './output';
import { waitingText } from './progress';

export interface PruneCommandOptions {
  dryRun?: boolean;
  method?: string;
  since?: string;
  routing: 'zero' | 'masked';
  tokens?: string;
  set?: string[];
  json?: boolean;
}

/** `bam prune RUN|FILE STAGE --dry-run`: the scores of every expert, and what its removal alone costs. Returns the exit code. */
export async function pruneCommand(
  name: string,
  stage: string,
  { dryRun, method, since, routing, tokens, set, json }: PruneCommandOptions,
  output: Output,
): Promise<number> {
  if (!dryRun) {
    throw new BamError('`bam prune` only shows what pruning would do, and wants `--dry-run`.', {
      reason: 'not-dry',
      advice: 'To prune, add a stage to the experiment file: { from: STAGE, prune: { method: usage, keep: 2 } }',
    });
  }
  const methods = methodsOf(method, since);
  const evaluated = tokens === undefined ? undefined : countOption(tokens);
  const { workspace, plan } = await planOf(name, set);
  const signal = interruptSignal(output, 'Stopping: nothing was changed.');
  await prepareRuntime(plan, output, signal);
  const line = new LiveLine(output);
  const { report, ...outcome } = await tryPruning({
    ...{ workspace, plan, signal },
    request: { stage, since, methods, routing, sample: PRUNE_TOKENS, tokens: evaluated },
    trainerScript: builtScript('trainer.js'),
    onAhead: (ahead) => line.print(waitingText(ahead)),
    onProgress: ({ what, done, total }) =>
      line.live(`${stage}: ${done}${total === undefined ? '' : ` of ${total}`} ${what}`),
  });
  line.clear();
  if (json) printJson(output, { ...outcome, ...report });
  else if (report) output.print(reportText(report, namedExperts(plan, stage).experts));
  if (outcome.state === 'failed') output.note(`bam: pruning could not be tried. ${outcome.message}`);
  return EXIT_CODES[outcome.state];
}

/** The methods that were asked for; router-norm only where there is a stage to compare with. */
function methodsOf(method: string | undefined, since: string | undefined): ScoreMethod[] {
  const wanted =
    method?.split(',').map((one) => one.trim()) ?? SCORE_METHODS.filter((one) => one !== 'router-norm' || since);
  const unknown = wanted.find((one) => !(SCORE_METHODS as readonly string[]).includes(one));
  if (unknown !== undefined) {
    throw new BamError(`--method should be some of ${SCORE_METHODS.join(', ')}, found "${unknown}".`, {
      reason: 'bad-method',
    });
  }
  if (method !== undefined && wanted.includes('router-norm') && since === undefined) {
    throw new BamError('--method router-norm wants --since, an earlier stage of the same mixture.', {
      reason: 'no-since',
    });
  }
  return wanted as ScoreMethod[];
}

/** The columns of a report, by what an expert has. */
const COLUMNS: { title: string; of: (trial: ExpertTrial) => string | undefined }[] = [
  {
    title: 'router norm',
    of: ({ routerNorm: change }) => (change === undefined ? undefined : signed(change)),
  },
  { title: 'usage', of: ({ usage }) => usage?.toFixed(3) },
  { title: 'activation', of: ({ activation }) => activation?.toPrecision(3) },
  { title: 'nearest by outputs', of: ({ outputs }) => outputs && nearest(outputs) },
  { title: 'nearest by weights', of: ({ weights }) => weights && nearest(weights) },
];

function signed(change: number): string {
  return `${change > 0 ? '+' : ''}${change.toPrecision(3)}`;
}

function nearest({ expert, similarity }: Alike): string {
  return `${expert} (${similarity.toFixed(3)})`;
}

/** For a terminal: a row an expert, with its name where experts have names. */
export function reportText(
  { stage, routing, perplexity, experts }: ExpertReport,
  names: readonly string[] = [],
): string {
  const columns = COLUMNS.filter(({ of }) => experts.some((trial) => of(trial) !== undefined));
  const header = [
    'layer',
    'expert',
    ...(names.length ? ['name'] : []),
    ...columns.map(({ title }) => title),
    'perplexity',
    'costs',
  ];
  const rows = experts.map((trial) => [
    ...[String(trial.layer), String(trial.expert), ...(names.length ? [names[trial.expert]!] : [])],
    ...columns.map(({ of }) => of(trial) ?? '-'),
    trial.perplexity === null ? '-' : formatMeasure(trial.perplexity),
    trial.perplexity === null ? '-' : (trial.perplexity - perplexity).toFixed(4),
  ]);
  const heading = `${stage}: mean held-out perplexity ${formatMeasure(perplexity)} with all experts, and without each of them alone (${routing}).`;
  return `${heading}\n\n${textTable(header, rows)}`;
}
