import { existsSync, readFileSync } from 'node:fs';
import { RunError } from '../../base/errors';
import { letterOf } from '../../base/run-letter';
import { summarize } from '../../base/statistics';
import { readVariantName } from '../../base/variant-name';
import { namedExperts } from '../../plan/expert-names';
import type { PlannedDomain } from '../../plan/plan';
import { readResult } from '../../plan/result';
import { queryTimedEvaluations } from '../../store/compared-curves';
import { queryLastRouting, trainedBy } from '../../store/curves';
import type { Database } from '../../store/database';
import type { Workspace } from '../../store/layout';
import { readPlan } from '../../store/plan';
import { queryRun, type StageResult, type StageState } from '../../store/queries';
import { isDone, studyMembers, type StudyRun } from './members';
import { type MeasuredMember, studyResults, type StudyResults } from './results';
import { studyRouting, type StudyRouting } from './routing';

/** What was run, for the section on origin. */
export interface StudyOrigin {
  letter: string;
  run: string;
  experiment: string;
  state: string;
  started: number | null;
  seeds: number[];
  commit: string | null;
  version: string | null;
  engines: string[];
  tokenizer: string;
  domains: Pick<PlannedDomain, 'name' | 'files' | 'bytes' | 'fingerprint'>[];
  /** The copy of the experiment file. */
  file: string | null;
}

/** A stage with one seed and one value of each swept key. */
export interface StudyStage {
  run: string;
  /** As the run calls it. */
  name: string;
  group: string;
  stage: string;
  seed: number;
  /** Swept values by path in the experiment file. */
  values: Record<string, unknown>;
  state: StageState | 'not in the run';
  step: number | null;
  tokens: number | null;
  flops: number | null;
  seconds: number | null;
  parameters: { total: number; active: number };
  average: number | null;
  tasks: StageResult['tasks'];
  domains: Record<string, { loss: number; perplexity: number; bitsPerByte: number }>;
}

/** Average held-out perplexity of a group while it trains: means over the seeds that were evaluated at a step. */
export interface StudyCurve {
  group: string;
  points: { step: number; tokens: number; flops: number; average: number; seeds: number }[];
}

/** All that a report on one or several runs says, as plain data. */
export interface Study extends StudyResults {
  title: string;
  runs: StudyOrigin[];
  stages: StudyStage[];
  routing: StudyRouting[];
  /** Of the stages that no other one starts from. */
  curves: StudyCurve[];
  /** What is not finished, or could not be read, in words. */
  missing: string[];
}

/**
 * Gathers a report on runs from the index and their folders. Throws a `RunError` (`unknown-run`; `no-plan` if no run has its plan;
 * `unknown-stage` for a baseline that none has).
 */
export async function collectStudy(
  workspace: Workspace,
  index: Database,
  ids: readonly string[],
  baseline?: string,
): Promise<Study> {
  const { runs, missing } = await readRuns(workspace, index, ids);
  // A stage that serves another one is no other model.
  const models = studyMembers(runs).filter(({ planned }) => !planned.serve);
  const members = models.map((member): MeasuredMember => {
    const stored = readResult(workspace.stagesFolder, member.planned.key);
    const seconds = isDone(member) ? (member.summary?.seconds ?? stored?.seconds ?? null) : null;
    return { ...member, seconds, engine: member.summary?.engine ?? stored?.engine ?? null };
  });
  const results = studyResults(runs, members, baseline);
  const routing: StudyRouting[] = [];
  const curves: StudyCurve[] = [];
  const trained = members.filter(({ planned }) => !planned.ensemble);
  const parents = new Set(trained.flatMap(({ planned }) => planned.parents.map(({ key }) => key)));
  for (const { group, role } of results.rows) {
    const done = members.filter((member) => isDone(member) && groupOf(member) === group);
    if (role === 'mixture') {
      const points = done.map(async ({ run, name }) => ({
        ...namedExperts(runs.find(({ details }) => details.id === run)?.plan, name),
        points: await queryLastRouting(index, run, name),
      }));
      routing.push(...studyRouting(group, await Promise.all(points), results.domains));
    }
    if (!done.some(({ planned }) => parents.has(planned.key))) curves.push(await curveOf(index, group, done));
  }
  return {
    title: [...new Set(runs.map(({ details }) => details.experiment))].join(', '),
    ...results,
    runs: runs.map((run, i) => originOf(run, i, members)),
    stages: members.map(stageOf),
    routing,
    curves: curves.filter(({ points }) => points.length > 1),
    missing: [...missing, ...members.flatMap((member) => unfinished(member))],
  };
}

async function readRuns(
  workspace: Workspace,
  index: Database,
  ids: readonly string[],
): Promise<{ runs: StudyRun[]; missing: string[] }> {
  const runs: StudyRun[] = [];
  const missing: string[] = [];
  for (const id of ids) {
    const details = await queryRun(workspace, index, id);
    const plan = readPlan(workspace, id);
    const file = workspace.experimentFile(id);
    if (plan?.stages.length) runs.push({ details, plan, file: existsSync(file) ? readFileSync(file, 'utf8') : null });
    else
      missing.push(
        `Run ${id} has no plan.json that can be read: its stages are left out (${stageNames(details.stages)}).`,
      );
    missing.push(...details.problems.map((problem) => `The log of run ${id} could not be read in full: ${problem}`));
  }
  if (runs.length) return { runs, missing };
  throw new RunError(`No plan.json of ${ids.join(', ')} can be read, so what their stages are is not known.`, {
    reason: 'no-plan',
    advice: '`bam show RUN` shows what the log knows; running the file again takes finished stages from the cache.',
  });
}

function stageNames(stages: readonly { name: string }[]): string {
  return stages.map(({ name }) => name).join(', ') || 'none yet';
}

function groupOf({ label }: MeasuredMember): string {
  return readVariantName(label).group;
}

async function curveOf(index: Database, group: string, members: readonly MeasuredMember[]): Promise<StudyCurve> {
  const curves = await Promise.all(
    members.map(async ({ run, name }) => queryTimedEvaluations(index, await trainedBy(index, run, name))),
  );
  const steps = [...new Set(curves.flat().map(({ step }) => step))].sort((a, b) => a - b);
  const points = steps.map((step) => {
    const at = curves.flat().filter((point) => point.step === step);
    const { mean, n } = summarize(at.map(({ average }) => average))!;
    return { step, tokens: at[0]!.tokens, flops: at[0]!.flops, average: mean, seeds: n };
  });
  return { group, points };
}

function originOf({ details, plan, file }: StudyRun, i: number, members: readonly MeasuredMember[]): StudyOrigin {
  const keys = new Set(plan.stages.map(({ key }) => key));
  const engines = members.flatMap(({ planned, engine }) => (keys.has(planned.key) && engine ? [engine] : []));
  const { id, experiment, state, started, commit, version } = details;
  return {
    letter: letterOf(i),
    run: id,
    ...{ experiment, state, started, commit, version },
    seeds: [...new Set(plan.stages.map(({ seed }) => seed))],
    engines: [...new Set(engines)],
    tokenizer: `${plan.tokenizer.name}, ${plan.tokenizer.vocabulary} tokens`,
    domains: plan.domains.map(({ name, files, bytes, fingerprint }) => ({ name, files, bytes, fingerprint })),
    file,
  };
}

function stageOf(member: MeasuredMember): StudyStage {
  const { run, name, label, planned, summary, seconds } = member;
  const result = summary?.result ?? null;
  const domains = Object.entries(result?.domains ?? {}).map(([domain, { loss, perplexity, bitsPerByte }]) => [
    domain,
    { loss, perplexity, bitsPerByte },
  ]);
  return {
    ...{ run, name },
    ...{ group: groupOf(member), stage: readVariantName(label).stage },
    seed: planned.seed,
    values: planned.variant?.values ?? {},
    state: summary?.state ?? 'not in the run',
    step: result?.step ?? null,
    tokens: result?.tokens ?? null,
    flops: result?.flops ?? null,
    seconds,
    parameters: { total: planned.parameters.total, active: planned.parameters.active },
    average: result?.average ?? null,
    tasks: result?.tasks ?? {},
    domains: Object.fromEntries(domains) as StudyStage['domains'],
  };
}

/** Says of a stage without a final result how far it came. */
function unfinished(member: MeasuredMember): string[] {
  if (isDone(member)) return [];
  const { run, name, summary } = member;
  const reached = summary?.result ? `, evaluated last at step ${summary.result.step}` : '';
  const why = summary?.state === 'failed' && summary.detail ? `: ${summary.detail}` : '';
  return [`Stage ${name} of run ${run} has no final result (${summary?.state ?? 'not in the run'}${reached})${why}`];
}
