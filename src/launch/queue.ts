import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { userCacheFolder } from '../base/cache-folder';
import { RunError } from '../base/errors';
import { acquireLock, type Lock, lockHolder } from '../base/lock';

/** What runs wait for: this machine's processor. */
export const DEVICE = 'cpu';

const POLL_MILLISECONDS = 200;
/** How old a ticket without a live process must be before it is removed; until then it may be in writing. */
const DEAD_MILLISECONDS = 60_000;
/** How long a device may be taken without a live holder: the moments in which a dead one's place is taken over. */
const UNKNOWN_HOLDER_MILLISECONDS = 10_000;
/** Name of a ticket: when it was drawn, in milliseconds since 1970, then random digits. */
const TICKET = /^\d{15}-[0-9a-f]{8}$/;

/** The folder in which the runs of this user wait: `BAM_QUEUE_FOLDER`, else one in the user's cache folder. */
export function queueFolder(): string {
  const { BAM_QUEUE_FOLDER } = process.env;
  return BAM_QUEUE_FOLDER ? resolve(BAM_QUEUE_FOLDER) : join(userCacheFolder(), 'queue');
}

export interface Waiting {
  /** What runs share and one may use at a time, e.g. `cpu`. */
  device: string;
  /** Ends the waiting. */
  signal: AbortSignal;
  /** Told how many runs are ahead, each time that changes while there are any; then 0, if it had to wait. */
  onAhead: (ahead: number) => void;
}

/**
 * Waits until this process may use a device: one run a device at a time on this machine for this user, first come first served,
 * whatever workspace it belongs to. Release what comes when the run ends; a process that dies gives it up. `undefined` if the signal
 * came first. Throws a `RunError` (`locked`) if the device stays taken by nobody.
 */
export async function waitForTurn(waiting: Waiting): Promise<Lock | undefined> {
  // A home folder may be shared by machines, each of which has devices of its own.
  const folder = join(queueFolder(), hostname(), waiting.device);
  const ticket = drawTicket(folder);
  let turn: Lock | undefined;
  const release = (): void => {
    process.removeListener('exit', release);
    turn?.release();
    ticket.lock.release();
  };
  // Also where a second Ctrl-C ends the process at once.
  process.once('exit', release);
  try {
    turn = await takeTurn(folder, ticket.name, waiting);
  } finally {
    if (!turn) release();
  }
  return turn && { release };
}

function drawTicket(folder: string): { name: string; lock: Lock } {
  mkdirSync(folder, { recursive: true });
  const name = `${String(Date.now()).padStart(15, '0')}-${randomBytes(4).toString('hex')}`;
  return { name, lock: acquireLock(join(folder, name), 'The ticket') };
}

/**
 * The lock of the device decides who runs; tickets decide who may try to take it. So a ticket that appears late, or a clock that goes
 * back, can spoil the order but never let two in.
 */
async function takeTurn(
  folder: string,
  ticket: string,
  { device, signal, onAhead }: Waiting,
): Promise<Lock | undefined> {
  let told = 0;
  let lastHeld = Date.now();
  while (!signal.aborted) {
    const before = ticketsBefore(folder, ticket);
    if (before > 0 || lockHolder(`${folder}.lock`)) lastHeld = Date.now();
    const turn = before === 0 ? tryDevice(`${folder}.lock`, device, lastHeld) : undefined;
    const ahead = turn ? 0 : Math.max(before, 1);
    if (ahead !== told) onAhead(ahead);
    told = ahead;
    if (turn) return turn;
    await setTimeout(POLL_MILLISECONDS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** Live tickets that were drawn before this one: whoever runs keeps its own. Removes those of dead processes. */
function ticketsBefore(folder: string, own: string): number {
  let count = 0;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lockHolder(path)) {
      if (TICKET.test(name) && name < own) count++;
    } else if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > DEAD_MILLISECONDS) {
      rmSync(path, { force: true });
    }
  }
  return count;
}

function tryDevice(path: string, device: string, lastHeld: number): Lock | undefined {
  try {
    return acquireLock(path, `The device ${device}`);
  } catch (error) {
    if (!(error instanceof RunError) || error.reason !== 'locked') throw error;
    if (Date.now() - lastHeld > UNKNOWN_HOLDER_MILLISECONDS) throw error;
    return undefined;
  }
}
