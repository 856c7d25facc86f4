import { type Summary, summarize } from '../../base/statistics';
import { readVariantName } from '../../base/variant-name';
import { parseSource } from '../../config/source';
import type { StageResult } from '../../store/queries';
import { type VariantRow, variantTable } from '../variant-table';
import { isDone, type Member, type StudyRun } from './members';
import { type Match, matchOf, type Role, roleOf, ROLES } from './roles';

/** A member with what is read of it beside the index. */
export interface MeasuredMember extends Member {
  /** How long its training took, also where another run trained it; `null` where that is not known. */
  seconds: number | null;
  engine: string | null;
}

/** The stages that differ in their seed only, as a row of the study's tables. */
export interface StudyRow extends Role, VariantRow {
  match: Match | null;
  parameters: { total: number; active: number };
  /** Of the stage alone, without those of its parents; over the seeds that are done. */
  tokens: Summary | null;
  flops: Summary | null;
  seconds: Summary | null;
  /** Seeds that are done, and all. */
  seeds: number[];
  planned: number[];
}

export interface StudyResults {
  /** The swept keys. */
  paths: string[];
  /** The domains that averages are over. */
  domains: string[];
  /** The group that others are compared with. */
  baseline: string;
  rows: StudyRow[];
}

/** The results of a study over its seeds. Throws a `RunError` (`unknown-stage`) for a baseline that it does not have. */
export function studyResults(
  runs: readonly StudyRun[],
  members: readonly MeasuredMember[],
  baseline?: string,
): StudyResults {
  const table = variantTable(
    members.flatMap(({ label, summary }) => (summary ? [{ ...summary, name: label }] : [])),
    { stages: asVariants(members) },
    baseline === undefined ? undefined : nameInStudy(baseline, members),
  )!;
  const files = new Map(runs.map(({ details, file }) => [details.id, file === null ? null : parseSource(file).data]));
  const plans = new Map(runs.map(({ details, plan }) => [details.id, plan]));
  const rows = table.rows.map((row): StudyRow => {
    const group = members.filter(({ label }) => readVariantName(label).group === row.group);
    const { run, planned } = group[0]!;
    const done = group.filter(isDone);
    const over = (read: (result: StageResult) => number): Summary | null =>
      summarize(done.flatMap(({ summary }) => (summary!.result ? [read(summary!.result)] : [])));
    return {
      ...row,
      ...roleOf(planned, plans.get(run)!),
      match: matchOf(planned, files.get(run)),
      parameters: { total: planned.parameters.total, active: planned.parameters.active },
      tokens: over(({ tokens }) => tokens),
      flops: over(({ flops }) => flops),
      seconds: summarize(done.flatMap(({ seconds }) => seconds ?? [])),
      seeds: seedsOf(done),
      planned: seedsOf(group),
    };
  });
  return { ...table, rows: ROLES.flatMap((role) => byMethod(rows.filter((row) => row.role === role))) };
}

/** A stage that runs make in different ways is, by its name in the file alone, that of the first run. */
function nameInStudy(name: string, members: readonly Member[]): string {
  const groups = members.map(({ label }) => readVariantName(label).group);
  if (groups.includes(name)) return name;
  const first = members.findIndex((member) => readVariantName(member.name).group === name);
  const ofStage = members.find((member) => readVariantName(member.name).stage === name);
  return groups[first] ?? (ofStage && readVariantName(ofStage.label).stage) ?? name;
}

/** The seeds of some members, in order. */
export function seedsOf(members: readonly Member[]): number[] {
  return [...new Set(members.map(({ planned }) => planned.seed))].sort((a, b) => a - b);
}

/** The members as variants of each other, also those of runs that have none: what they start from by the study's names. */
function asVariants(members: readonly Member[]): Member['planned'][] {
  return members.map(({ run, label, planned }) => {
    const { stage } = readVariantName(label);
    const parents = planned.parents.map((parent) => {
      const named = members.filter(({ planned: { key } }) => key === parent.key);
      return { ...parent, name: (named.find((member) => member.run === run) ?? named[0])?.label ?? parent.name };
    });
    return {
      ...planned,
      name: label,
      parents,
      variant: { stage, seed: planned.seed, values: planned.variant?.values ?? {} },
    };
  });
}

/** Rows of one method one after the other, methods in the order of their first. */
function byMethod(rows: readonly StudyRow[]): StudyRow[] {
  const methods = [...new Set(rows.map(({ method }) => method))];
  return methods.flatMap((method) => rows.filter((row) => row.method === method));
}
