import { readdirSync, statSync } from 'node:fs';
import { hasCode } from '../base/errors';
import { laterEvaluationFile, readLaterEvaluation } from '../plan/result';
import type { Workspace } from './layout';

/** The averages that `bam evaluate` found. Reads a file anew only where it changed. */
export class LaterAverages {
  private readonly known = new Map<string, { mark: string; average: number | undefined }>();

  constructor(private readonly workspace: Workspace) {}

  /** Mean perplexity of the domains by the key of the stage, for stages that were evaluated after their training. */
  read(): Map<string, number> {
    const { stagesFolder } = this.workspace;
    const found = new Map<string, number>();
    for (const key of keysIn(stagesFolder)) {
      const stat = statSync(laterEvaluationFile(stagesFolder, key), { throwIfNoEntry: false });
      if (!stat) continue;
      const mark = `${stat.mtimeMs} ${stat.size}`;
      if (this.known.get(key)?.mark !== mark) {
        this.known.set(key, { mark, average: readLaterEvaluation(stagesFolder, key)?.evaluation.averagePerplexity });
      }
      const { average } = this.known.get(key)!;
      if (average !== undefined) found.set(key, average);
    }
    return found;
  }
}

function keysIn(stagesFolder: string): string[] {
  try {
    return readdirSync(stagesFolder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
