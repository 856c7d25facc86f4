import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { RunError, hasCode } from '../base/errors';
import { diskError } from '../base/files';
import type { RunLog } from '../events/attempt-logs';

/** Longest part of an experiment's name that goes into a run id. */
const MAXIMUM_NAME_LENGTH = 40;
/** What a run id and a stage key may look like: one folder name, never a path. */
const FOLDER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Name of the lock in the folder of a stage's attempts. */
export const TRAINER_LOCK = 'trainer.lock';

/** Where everything lies under the `.bam` folder of one workspace. Computes paths and creates nothing. */
export class Workspace {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
  }

  /** The `.bam` folder itself; paths in events are relative to it. */
  get folder(): string {
    return join(this.root, '.bam');
  }

  get runsFolder(): string {
    return join(this.folder, 'runs');
  }

  get stagesFolder(): string {
    return join(this.folder, 'stages');
  }

  /** Packed corpora. */
  get dataFolder(): string {
    return join(this.folder, 'data');
  }

  get indexFile(): string {
    return join(this.folder, 'index.sqlite');
  }

  /** The folder of one run. Throws a `RunError` (reason `bad-name`) for anything that is not a plain folder name. */
  runFolder(run: string): string {
    return join(this.runsFolder, plainName(run, 'run'));
  }

  /** The snapshot of the experiment file. */
  experimentFile(run: string): string {
    return join(this.runFolder(run), 'experiment.yaml');
  }

  planFile(run: string): string {
    return join(this.runFolder(run), 'plan.json');
  }

  eventsFile(run: string): string {
    return join(this.runFolder(run), 'events.ndjson');
  }

  /** What copying the logs of a run's attempts needs. */
  runLog(run: string): RunLog {
    const [eventsFile, lockFile] = [this.eventsFile(run), this.runLockFile(run)];
    return { eventsFile, lockFile, attemptsFolder: this.allAttemptsFolder(run) };
  }

  /** What the launcher of a detached run printed. */
  launcherFile(run: string): string {
    return join(this.runFolder(run), 'launcher.txt');
  }

  /** What people say about the run: title, star, tags, note. */
  annotationsFile(run: string): string {
    return join(this.runFolder(run), 'annotations.json');
  }

  /** Deleted runs, until they are deleted for good. */
  get trashFolder(): string {
    return join(this.folder, 'trash');
  }

  reportFile(run: string): string {
    return join(this.runFolder(run), 'report.html');
  }

  /** The report for a paper, on this run and maybe others. */
  studyFile(run: string): string {
    return join(this.runFolder(run), 'study.html');
  }

  /** Held by the process that executes the run, from start to end. */
  runLockFile(run: string): string {
    return join(this.runFolder(run), 'lock');
  }

  /** One folder a stage, with the files of its attempts. */
  allAttemptsFolder(run: string): string {
    return join(this.runFolder(run), 'stages');
  }

  attemptsFolder(run: string, stage: string): string {
    return join(this.allAttemptsFolder(run), encodeURIComponent(stage));
  }

  /** Held by the process that trains the stage for this run. */
  trainerLockFile(run: string, stage: string): string {
    return join(this.attemptsFolder(run, stage), TRAINER_LOCK);
  }

  /** Checkpoints and result of the stage with this key, shared by all runs. Throws like `runFolder`. */
  stageFolder(key: string): string {
    return join(this.stagesFolder, plainName(key, 'stage key'));
  }

  stageResultFile(key: string): string {
    return join(this.stageFolder(key), 'result.json');
  }

  /** Held by the process that trains the stage, so that two runs do not train the same one at once. */
  stageLockFile(key: string): string {
    return join(this.stageFolder(key), 'lock');
  }
}

function plainName(name: string, what: string): string {
  if (FOLDER_NAME.test(name)) return name;
  throw new RunError(
    `A ${what} should be up to 128 letters, digits, dots, dashes and underscores, but ${JSON.stringify(name)} came.`,
    { reason: 'bad-name', advice: '`bam runs` lists the runs of this workspace.' },
  );
}

/** The root for an experiment in folder `start`: the nearest folder upwards with `.bam`, else with `.git`, else `start`. */
export function findWorkspaceRoot(start: string): string {
  const folders: string[] = [];
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    folders.push(folder);
    if (folder === dirname(folder)) break;
  }
  const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return (
    folders.find((folder) => isFolder(join(folder, '.bam'))) ??
    folders.find((folder) => existsSync(join(folder, '.git'))) ??
    folders[0]!
  );
}

/**
 * Creates the folder of a new run and returns its id: name, UTC date and time, four random digits, e.g.
 * `law-math-code-20261124-171530-a1b2`. No two calls return the same id, whatever process they come from.
 */
export function newRunId(workspace: Workspace, experimentName: string, now: Date): string {
  const name = experimentName
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .slice(0, MAXIMUM_NAME_LENGTH)
    .replace(/^[._-]+|[._-]+$/g, '');
  const time = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  createFolder(workspace);
  for (;;) {
    const id = `${name || 'run'}-${time}-${randomBytes(2).toString('hex')}`;
    try {
      mkdirSync(workspace.runFolder(id));
      return id;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw diskError(error, workspace.runsFolder);
    }
  }
}

/** Creates the folder of a new run whose id somebody chose. Throws a `RunError` (`bad-name`, `exists`). */
export function claimRunId(workspace: Workspace, id: string): string {
  const folder = workspace.runFolder(id);
  createFolder(workspace);
  try {
    mkdirSync(folder);
    return id;
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw diskError(error, folder);
    throw new RunError(`There is a run ${id} already.`, { reason: 'exists', advice: 'Choose another id.' });
  }
}

/** Creates `.bam/runs`, and keeps all of `.bam` out of git, so that a run does not make its own commit `dirty`. */
function createFolder(workspace: Workspace): void {
  try {
    mkdirSync(workspace.runsFolder, { recursive: true });
    writeFileSync(join(workspace.folder, '.gitignore'), '*\n', { flag: 'wx' });
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw diskError(error, workspace.folder);
  }
}

/** The ids of all runs that have a folder, by name. Folders with other names are left out. */
export function listRuns(workspace: Workspace): string[] {
  try {
    return readdirSync(workspace.runsFolder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && FOLDER_NAME.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
