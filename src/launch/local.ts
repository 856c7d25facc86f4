import { type Lock, waitForLock } from '../base/lock';
import type { Attempt } from '../store/attempts';
import type { Job, Launcher } from './launcher';
import { DEVICE, waitForTurn } from './queue';
import { startTrainer } from './trainer';

const POLL_MILLISECONDS = 25;
/** How long a resumed run waits for a trainer that its dead launcher left behind, which saves a checkpoint and ends. */
const ORPHAN_MILLISECONDS = 60_000;

/** Executes trainers on this machine, as children of this process. */
export class LocalLauncher implements Launcher {
  readonly slots = 1;
  readonly pollMilliseconds = POLL_MILLISECONDS;

  /** `script` is the bundled trainer, dist/trainer.js. */
  constructor(private readonly script: string) {}

  takeTurn({ signal, onAhead }: Parameters<Launcher['takeTurn']>[0]): Promise<Lock | undefined> {
    return waitForTurn({ device: DEVICE, signal, onAhead: (ahead) => onAhead(DEVICE, ahead) });
  }

  submit({ orderFile, outputFile }: Attempt): Promise<Job> {
    return Promise.resolve(startTrainer({ script: this.script, orderFile, outputFile }));
  }

  async recover({ run, stage, trainerLockFile }: Attempt): Promise<undefined> {
    (await waitForLock(trainerLockFile, `Stage ${stage} of run ${run}`, ORPHAN_MILLISECONDS)).release();
  }
}
