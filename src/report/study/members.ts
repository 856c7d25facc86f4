import { createHash } from 'node:crypto';
import { letterOf } from '../../base/run-letter';
import { readVariantName, writeVariantName } from '../../base/variant-name';
import type { Plan, PlannedStage } from '../../plan/plan';
import type { RunDetails, StageSummary } from '../../store/queries';

/** A run of a study with what its folder says of it. */
export interface StudyRun {
  details: RunDetails;
  plan: Plan;
  /** The copy of the experiment file; `null` where it is gone. */
  file: string | null;
}

/** One stage with one seed and one value of each swept key, of the run that has come furthest with it. */
export interface Member {
  run: string;
  /** Its name in that run. */
  name: string;
  /** Its name in the study: unique, and equal but for the seed for stages that differ in their seed only. */
  label: string;
  planned: PlannedStage;
  /** `undefined` for a stage of the plan that the run was not asked for. */
  summary: StageSummary | undefined;
}

/**
 * The stages of several runs as those of one study. A stage that several runs have (the same key) counts once. Stages of one name are
 * seeds of each other if their plans differ in the seed only; else the name says the run by its letter: `bam [B]`.
 */
export function studyMembers(runs: readonly StudyRun[]): Member[] {
  const hasRecipes = runs.every(({ plan }) => plan.stages.every(({ recipe }) => recipe));
  const found = runs.flatMap((run, i) => membersOf(run, letterOf(i), hasRecipes));
  const letters = new Map<string, string>();
  const members = new Map<string, Member>();
  for (const { stage, recipe, letter, ...member } of found) {
    const place = JSON.stringify([stage, recipe]);
    letters.set(place, letters.get(place) ?? letter);
    const label = labelOf(member, isShared(stage, found) ? null : letters.get(place)!);
    const unique = JSON.stringify([label, member.planned.key]);
    const other = members.get(unique);
    if (!other || progress(member) > progress(other)) members.set(unique, { ...member, label });
  }
  return [...members.values()];
}

/** Whether a stage has its final result. */
export function isDone({ summary }: Pick<Member, 'summary'>): boolean {
  return summary?.state === 'finished' || summary?.state === 'cached';
}

interface Found extends Omit<Member, 'label'> {
  /** Its name in the experiment file. */
  stage: string;
  recipe: string;
  letter: string;
}

function membersOf({ details, plan }: StudyRun, letter: string, hasRecipes: boolean): Found[] {
  const recipes = hasRecipes ? undefined : olderRecipes(plan);
  return plan.stages.map((planned) => ({
    run: details.id,
    name: planned.name,
    planned,
    summary: details.stages.find(({ name }) => name === planned.name),
    stage: readVariantName(planned.name).stage,
    recipe: recipes?.get(planned.name) ?? planned.recipe!,
    letter,
  }));
}

/** Whether the runs that have a stage all make it in the same ways. */
function isShared(name: string, found: readonly Found[]): boolean {
  const ways = new Map<string, Set<string>>();
  for (const { stage, letter, recipe } of found) {
    if (stage === name) ways.set(letter, (ways.get(letter) ?? new Set()).add(recipe));
  }
  const all = new Set([...ways.values()].flatMap((recipes) => [...recipes]));
  return [...ways.values()].every(({ size }) => size === all.size);
}

function labelOf({ name, planned }: Pick<Member, 'name' | 'planned'>, letter: string | null): string {
  const { stage, values } = readVariantName(name);
  return writeVariantName(letter === null ? stage : `${stage} [${letter}]`, planned.seed, values);
}

function progress(member: Pick<Member, 'summary'>): number {
  return isDone(member) ? Infinity : (member.summary?.result?.step ?? -1);
}

/** What stands for recipes where some plan is of a version that had none: for every stage a hash of what could decide its result then. */
function olderRecipes({ stages, domains, tokenizer }: Plan): Map<string, string> {
  const data = [tokenizer.fingerprint, domains.map(({ name, fingerprint }) => [name, fingerprint])];
  const recipes = new Map<string, string>();
  for (const { name, parents, architecture, upcycle, ensemble, serve, import: imported, train, evaluation } of stages) {
    const { checkpointEvery, keepCheckpoints, ...training } = train ?? {};
    const origins = parents.map((parent) => recipes.get(parent.name));
    const making = [
      architecture,
      { ...upcycle, experts: undefined },
      ensemble?.weights,
      ...(serve ? [serve] : []),
      imported?.fingerprint,
      training,
    ];
    const content = JSON.stringify([data, origins, making, evaluation.tokens]);
    recipes.set(name, createHash('sha256').update(content).digest('hex'));
  }
  return recipes;
}
