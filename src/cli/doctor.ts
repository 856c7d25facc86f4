import { statfs } from 'node:fs/promises';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainError } from '../base/errors';
import { runtimeInfo } from '../engine/backend';
import { formatBytes } from '../engine/runtime/folder';
import { findCompiler, findPython } from '../engine/runtime/needs';
import { readLog } from '../events/log';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, listRuns, Workspace } from '../store/layout';
import { queryRuns } from '../store/queries';
import { type Output, printJson } from './output';

/** Free space under which a warning is due: a small study's checkpoints. */
const LITTLE_SPACE = 1e9;

interface Check {
  name: string;
  state: 'good' | 'warning' | 'bad';
  /** What was found, and what to do where it is not good. */
  message: string;
}

/** `bam doctor`: looks at everything that a run needs, and says what to do about what is missing. Exit code 1 if something is bad. */
export async function doctorCommand({ json }: { json?: boolean }, output: Output): Promise<number> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const checks = [
    check('node', () => `Node ${process.versions.node}`),
    checkRuntime(),
    check('pip', async () => `${await findPython()} has pip`, 'warning'),
    check('compiler', async () => (await findCompiler()).join(' '), 'warning'),
    check('workspace', () => checkWritable(workspace)),
    checkSpace(workspace),
    check('index', () => checkIndex(workspace)),
    checkLogs(workspace),
  ];
  const results = await Promise.all(checks);
  if (json) printJson(output, results);
  else for (const { name, state, message } of results) output.print(`${state.padEnd(8)}${name.padEnd(11)}${message}`);
  return results.some(({ state }) => state === 'bad') ? 1 : 0;
}

/** Turns a function that throws into a check. What only an installation needs is a warning where it is missing. */
async function check(
  name: string,
  look: () => string | Promise<string>,
  otherwise: 'bad' | 'warning' = 'bad',
): Promise<Check> {
  try {
    return { name, state: 'good', message: await look() };
  } catch (error) {
    return { name, state: otherwise, message: explainError(error) };
  }
}

async function checkRuntime(): Promise<Check> {
  const { native, problem } = await runtimeInfo();
  if (native) return { name: 'engine', state: 'good', message: `TensorFlow ${native.version} on ${native.device}` };
  const message = `${problem}; experiments run on wasm, 10 to 40 times slower. Run \`bam runtime install\`.`;
  return { name: 'engine', state: 'warning', message };
}

function checkWritable({ root, folder }: Workspace): string {
  const probe = join(existsSync(folder) ? folder : root, `.doctor-${process.pid}`);
  mkdirSync(probe);
  writeFileSync(join(probe, 'file'), '');
  rmSync(probe, { recursive: true });
  return `${root} can be written to`;
}

async function checkSpace({ root }: Workspace): Promise<Check> {
  const { bavail, bsize } = await statfs(root);
  const free = bavail * bsize;
  if (free >= LITTLE_SPACE) return { name: 'disk', state: 'good', message: `${formatBytes(free)} free` };
  const message = `only ${formatBytes(free)} free; a run stops when the disk is full. Old runs lie under .bam/`;
  return { name: 'disk', state: 'warning', message };
}

async function checkIndex(workspace: Workspace): Promise<string> {
  const { value: runs, problems } = await withIndex(workspace, (index) => queryRuns(workspace, index));
  return [`${runs.length} runs`, ...problems].join('; ');
}

async function checkLogs(workspace: Workspace): Promise<Check> {
  const problems = listRuns(workspace).flatMap((run) => readLog(workspace.eventsFile(run)).problems);
  if (!problems.length) return { name: 'logs', state: 'good', message: 'every event log is whole' };
  return { name: 'logs', state: 'warning', message: problems.join('\n') };
}
