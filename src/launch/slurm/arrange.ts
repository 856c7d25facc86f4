import { readVariantName } from '../../base/variant-name';

/** A stage that wants a job, and the stages that have to be finished before. */
export interface StageToSubmit {
  name: string;
  needs: readonly string[];
}

/** A job, or a task of an array. Its number is that of an arrangement that has no job yet, or the id of a job. */
export interface JobPlace {
  job: number | string;
  /** Absent for a job that is no array. */
  task?: number | undefined;
}

/** Stages that become one job, or one array, with what it waits for. */
export interface Arrangement {
  stages: { name: string; task?: number | undefined }[];
  /** `afterok` waits for all of some jobs, `aftercorr` each task for the tasks of the same number. */
  after: { kind: 'afterok' | 'aftercorr'; places: JobPlace[] } | undefined;
}

/** A stage with the jobs that it waits for. */
interface NeedingPlaces {
  name: string;
  needed: JobPlace[];
}

/** Tasks that an array has at most: Slurm's own default limit (MaxArraySize 1001) is that of the highest number. */
const MAXIMUM_TASKS = 1000;

/**
 * Puts the variants of each stage of the file into as few arrays as their dependencies allow: one for all where each needs the tasks of one
 * number in other arrays, as with seeds alone; else one for those that need the same. `live` has the jobs that stages have already; a stage
 * that is neither among `stages` nor live is finished.
 */
export function arrange(stages: readonly StageToSubmit[], live: ReadonlyMap<string, JobPlace>): Arrangement[] {
  const arranger = new Arranger(live);
  for (let left = [...stages]; left.length;) {
    const next = nextVariants(left);
    arranger.place(next);
    left = left.filter((stage) => !next.includes(stage));
  }
  return arranger.arrangements;
}

/** Variants of one stage of the file, all of them if possible, that need none of those that are left. */
function nextVariants(left: readonly StageToSubmit[]): StageToSubmit[] {
  const names = new Set(left.map(({ name }) => name));
  const isReady = ({ needs }: StageToSubmit): boolean => !needs.some((need) => names.has(need));
  const groups = groupBy(left, ({ name }) => readVariantName(name).stage);
  return groups.find((group) => group.every(isReady)) ?? groups.map((group) => group.filter(isReady)).find(notEmpty)!;
}

class Arranger {
  readonly arrangements: Arrangement[] = [];
  private readonly places: Map<string, JobPlace>;

  constructor(live: ReadonlyMap<string, JobPlace>) {
    this.places = new Map(live);
  }

  /** Places variants of one stage. */
  place(variants: readonly StageToSubmit[]): void {
    const placesOf = ({ needs }: StageToSubmit): JobPlace[] => needs.flatMap((need) => this.places.get(need) ?? []);
    const all = variants.map((stage) => ({ name: stage.name, needed: placesOf(stage) }));
    const groups = groupBy(all, ({ needed }) => JSON.stringify(jobsOf(needed)));
    for (const group of groups.flatMap((one) => inParts(one, MAXIMUM_TASKS))) {
      if (!this.placeBeside(group)) this.placeBehind(group);
    }
  }

  /** One array, whose tasks have the numbers of those that they need; false where that cannot be. */
  private placeBeside(group: readonly NeedingPlaces[]): boolean {
    const tasks = group.map(({ name, needed }) => ({ name, task: commonTask(needed) }));
    if (group.length === 1 || new Set(tasks.map(({ task }) => task)).size < group.length) return false;
    if (tasks.some(({ task }) => task === undefined)) return false;
    tasks.sort((a, b) => a.task! - b.task!);
    this.add(tasks, { kind: 'aftercorr', places: jobsOf(group[0]!.needed).map((job) => ({ job })) });
    return true;
  }

  /** An array for each set of jobs that some need. */
  private placeBehind(group: readonly NeedingPlaces[]): void {
    for (const same of groupBy(group, ({ needed }) => JSON.stringify(needed))) {
      const { needed } = same[0]!;
      const stages = same.map(({ name }, i) => ({ name, task: same.length > 1 ? i : undefined }));
      this.add(stages, needed.length ? { kind: 'afterok', places: needed } : undefined);
    }
  }

  private add(stages: Arrangement['stages'], after: Arrangement['after']): void {
    const job = this.arrangements.length;
    this.arrangements.push({ stages, after });
    for (const { name, task } of stages) this.places.set(name, { job, task });
  }
}

/** The value of `--dependency`; `idOf` gives the id of an arrangement's job. */
export function dependencyText(
  { kind, places }: NonNullable<Arrangement['after']>,
  idOf: (arrangement: number) => string,
): string {
  const ids = places.map(({ job, task }) => `${typeof job === 'number' ? idOf(job) : job}${suffix(task)}`);
  return [kind, ...ids].join(':');
}

function suffix(task: number | undefined): string {
  return task === undefined ? '' : `_${task}`;
}

/** The number that all places have; `undefined` where they differ or are no tasks. */
function commonTask(places: readonly JobPlace[]): number | undefined {
  const task = places[0]?.task;
  return places.every((place) => place.task === task) ? task : undefined;
}

function jobsOf(places: readonly JobPlace[]): (number | string)[] {
  return [...new Set(places.map(({ job }) => job))];
}

function notEmpty(items: readonly unknown[]): boolean {
  return items.length > 0;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return [...groups.values()];
}

function inParts<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
