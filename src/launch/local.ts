import { type Lock, waitForLock } from '../base/lock';
import type { Attempt } from '../store/attempts';
import type { Device } from './devices';
import type { Job, Launcher } from './launcher';
import { waitForTurn } from './queue';
import { startTrainer } from './trainer';

const POLL_MILLISECONDS = 25;
/** How long a resumed run waits for a trainer that its dead launcher left behind, which saves a checkpoint and ends. */
const ORPHAN_MILLISECONDS = 60_000;

/** Executes trainers on this machine, as children of this process, one on each device at a time. */
export class LocalLauncher implements Launcher {
  readonly pollMilliseconds = POLL_MILLISECONDS;
  private readonly busy = new Set<Device>();

  /** `script` is the bundled trainer, dist/trainer.js. */
  constructor(
    private readonly script: string,
    private readonly devices: readonly Device[],
  ) {}

  get slots(): number {
    return this.devices.length;
  }

  /** All devices, one after the other in an order that is the same for all runs, so that no two wait for each other. */
  async takeTurn({ signal, onAhead }: Parameters<Launcher['takeTurn']>[0]): Promise<Lock | undefined> {
    const turns: Lock[] = [];
    const release = (): void => turns.forEach((turn) => turn.release());
    try {
      for (const device of [...new Set(this.devices.map(({ queue }) => queue))].sort()) {
        const turn = await waitForTurn({ device, signal, onAhead: (ahead) => onAhead(device, ahead) });
        if (!turn) break;
        turns.push(turn);
      }
    } catch (error) {
      release();
      throw error;
    }
    if (!signal.aborted) return { release };
    release();
    return undefined;
  }

  submit({ orderFile, outputFile }: Attempt): Promise<Job> {
    const device = this.devices.find((one) => !this.busy.has(one))!;
    const job = startTrainer({ script: this.script, orderFile, outputFile, environment: device.environment });
    this.busy.add(device);
    void job.end.then(() => this.busy.delete(device));
    return Promise.resolve(job);
  }

  async recover({ run, stage, trainerLockFile }: Attempt): Promise<void> {
    (await waitForLock(trainerLockFile, `Stage ${stage} of run ${run}`, ORPHAN_MILLISECONDS)).release();
  }
}
