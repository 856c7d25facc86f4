import { stopRun, type StopOutcome } from '../launch/stop';
import { findRunHere } from './find';
import { type Output, printJson } from './output';

/** How long a run may take to save its checkpoint: a large one on a slow disk takes tens of seconds. */
const GRACE_MILLISECONDS = 60_000;

const MESSAGES: Record<StopOutcome, (run: string) => string> = {
  stopped: (run) => `Run ${run} stopped. Go on with: bam resume ${run}`,
  killed: (run) => `Run ${run} was killed. It goes on from its last checkpoint with: bam resume ${run}`,
  'not-running': (run) => `Run ${run} is not running.`,
};

/** `bam stop RUN`: ends a run behind a checkpoint; with `--now` at once. */
export async function stopCommand(
  name: string,
  { now, json }: { now?: boolean; json?: boolean },
  output: Output,
): Promise<void> {
  const { workspace, run } = await findRunHere(name);
  const outcome = await stopRun(workspace, run, { graceMilliseconds: now ? 0 : GRACE_MILLISECONDS });
  if (json) printJson(output, { run, outcome });
  else output.print(MESSAGES[outcome](run));
}
