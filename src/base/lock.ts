import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as z from 'zod';
import { RunError, hasCode } from './errors';
import { diskError } from './files';

const holderSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  /** Identifies the process among all that ever had its pid; `null` where the system does not say. */
  birth: z.string().nullable(),
  /** Milliseconds since 1970, UTC. */
  since: z.int(),
  /** Tells one taking of the lock from every other. */
  token: z.string(),
  /** For other machines: the lock counts as given up when its file was not touched for so many milliseconds. */
  lease: z.int().positive().optional(),
  /** Which attempt at what the holder makes. */
  attempt: z.object({ at: z.string(), number: z.int() }).optional(),
});

/** Who holds a lock. */
export type LockHolder = z.output<typeof holderSchema>;

/**
 * How a lock is held by processes on several machines, none of which sees whether those of another live: a lock with a lease has to be
 * renewed, and a later attempt at the same thing takes the lock of an earlier one, whatever became of that.
 */
export type Claim = Pick<LockHolder, 'lease' | 'attempt'>;

/** A lock that this process holds until `release`. */
export interface Lock {
  /** Removes the lock file, unless someone else's stands there. Harmless when called again. */
  release(): void;
}

/** A lock as this process took it. */
export interface OwnLock extends Lock {
  /** Renews the lease. False if someone else has taken the lock: then this process must write no more. */
  renew(): boolean;
}

/** A file system without hard links writes the lock in place; until it is this old, an unreadable one may be in writing. */
const WRITING_MILLISECONDS = 5000;

/**
 * Takes the lock at `path` for this process, creating its folder. A lock whose process is gone is taken over; of several
 * processes that try, one gets it. `what` is named in the error, e.g. `run x-1`.
 * Throws a `RunError` (reason `locked`) that names the holder.
 */
export function acquireLock(path: string, what: string, claim: Claim = {}): OwnLock {
  mkdirSync(dirname(path), { recursive: true });
  const own: LockHolder = {
    pid: process.pid,
    host: hostname(),
    birth: processBirth(process.pid),
    since: Date.now(),
    token: randomUUID(),
    ...claim,
  };
  if (!createFile(path, own)) takeOver(path, own, what);
  return { renew: () => renew(path, own), release: () => removeOwn(path, own) };
}

/** Like `acquireLock`, but waits for the holder to end, at most `milliseconds`. For locks that are held for moments. */
export async function waitForLock(
  path: string,
  what: string,
  milliseconds: number,
  claim: Claim = {},
): Promise<OwnLock> {
  for (const end = Date.now() + milliseconds; ; await setTimeout(20)) {
    try {
      return acquireLock(path, what, claim);
    } catch (error) {
      if (!(error instanceof RunError) || error.reason !== 'locked' || Date.now() > end) throw error;
    }
  }
}

/** The live holder of the lock at `path`; `undefined` where there is no lock or its process is gone. */
export function lockHolder(path: string): LockHolder | undefined {
  const holder = readHolder(path);
  return holder && holder !== 'in-writing' && isInForce(path, holder) ? holder : undefined;
}

/**
 * Replaces a stale lock. Only the holder of a second lock, `<path>.takeover`, may remove one, and it judges the lock
 * anew: so nobody removes the lock of a process that took over a moment earlier.
 */
function takeOver(path: string, own: LockHolder, what: string): void {
  refuseIfHeld(path, own, what);
  const guard = `${path}.takeover`;
  if (!createFile(guard, own)) {
    // The guard stands for microseconds. Guessing that one is stale could let two processes in, so a person decides.
    throw lockedError(guard, what, readHolder(guard));
  }
  try {
    refuseIfHeld(path, own, what);
    rmSync(path, { force: true });
    if (!createFile(path, own)) throw lockedError(path, what, readHolder(path));
  } finally {
    removeOwn(guard, own);
  }
}

function refuseIfHeld(path: string, own: LockHolder, what: string): void {
  const holder = readHolder(path);
  if (holder === 'in-writing') throw lockedError(path, what, holder);
  if (holder && isInForce(path, holder) && !isLater(own, holder)) throw lockedError(path, what, holder);
}

/** Whether a holder makes a later attempt at the same thing as another. */
function isLater({ attempt: own }: LockHolder, { attempt: other }: LockHolder): boolean {
  return own !== undefined && own.at === other?.at && own.number > other.number;
}

/** Whether a lock counts: its process lives, or on another machine its lease has not run out. */
function isInForce(path: string, holder: LockHolder): boolean {
  if (holder.host === hostname() || holder.lease === undefined) return isAlive(holder);
  const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - touched < holder.lease;
}

function renew(path: string, own: LockHolder): boolean {
  const holder = readHolder(path);
  if (!holder || holder === 'in-writing' || holder.token !== own.token) return false;
  const now = new Date();
  utimesSync(path, now, now);
  return true;
}

function lockedError(file: string, what: string, holder: LockHolder | 'in-writing' | undefined): RunError {
  const known = holder && holder !== 'in-writing' ? holder : undefined;
  const by = known
    ? `process ${known.pid}${known.host === hostname() ? '' : ` on ${known.host}`} since ${new Date(known.since).toISOString()}`
    : 'another process that is just starting';
  const advice =
    known && known.host !== hostname()
      ? `Whether it still runs cannot be seen from this machine. ${known.lease ? 'If it is gone, the lock runs out within some minutes' : `If it does not, delete ${file}`}.`
      : `Wait until it ends, or stop it. If no such process runs, delete ${file}.`;
  return new RunError(`${what} is in use by ${by}.`, { reason: 'locked', advice });
}

/** Creates a file that no other process can have created, complete from its first moment; false if there is one already. */
function createFile(path: string, holder: LockHolder): boolean {
  const content = JSON.stringify(holder);
  const temporary = `${path}.${holder.token}.tmp`;
  try {
    writeFileSync(temporary, content);
    try {
      linkSync(temporary, path);
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false;
      writeFileSync(path, content, { flag: 'wx' });
    }
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw diskError(error, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function removeOwn(path: string, own: LockHolder): void {
  const holder = readHolder(path);
  if (holder && holder !== 'in-writing' && holder.token === own.token) rmSync(path, { force: true });
}

/** What a lock file says; `undefined` if there is none, or one that a power cut left unreadable. */
function readHolder(path: string): LockHolder | 'in-writing' | undefined {
  try {
    const parsed = holderSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (parsed.success) return parsed.data;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Math.abs(Date.now() - written) < WRITING_MILLISECONDS ? 'in-writing' : undefined;
}

/** Whether the process of a lock's holder lives. One on another machine counts as alive: from here nobody can tell. */
export function isAlive(holder: LockHolder): boolean {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
  }
  const birth = processBirth(holder.pid);
  if (birth === 'ended') return false;
  return holder.birth === null || birth === null || birth === holder.birth;
}

/**
 * Boot and clock tick in which a process began (Linux), else `null`: a pid alone may belong to a later process. `ended` for one that is
 * dead and waits for its parent to notice, which some containers never do.
 */
function processBirth(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold spaces; the state is the third field, the start time the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const start = fields[19];
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${start}`;
  } catch {
    return null;
  }
}
