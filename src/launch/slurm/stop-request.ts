import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../base/errors';
import { writeFileAtomic } from '../../base/files';
import type { Workspace } from '../../store/layout';

/** What is asked to stop: a whole run, or stages by name. */
export type StopRequest = 'all' | string[];

function requestFile(workspace: Workspace, run: string): string {
  return join(workspace.runFolder(run), 'slurm', 'stop.json');
}

/** Asks whoever watches a run, on whatever machine, to stop it or some of its stages. */
export function requestStop(workspace: Workspace, run: string, request: StopRequest): void {
  writeFileAtomic(requestFile(workspace, run), JSON.stringify(request));
}

/** Takes what was asked since the last time. */
export function takeStopRequest(workspace: Workspace, run: string): StopRequest | undefined {
  const file = requestFile(workspace, run);
  try {
    const request = JSON.parse(readFileSync(file, 'utf8')) as StopRequest;
    rmSync(file);
    return request;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Takes back what nobody has taken. */
export function withdrawStop(workspace: Workspace, run: string): void {
  rmSync(requestFile(workspace, run), { force: true });
}
