import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { acquireLock } from '../../../src/base/lock';
import { attemptName, AttemptLogs, catchUp, type RunLog } from '../../../src/events/attempt-logs';
import { EventLog, readLog } from '../../../src/events/log';

describe('the logs of attempts', () => {
  let run: RunLog;
  beforeEach(() => {
    const folder = mkdtempSync(join(tmpdir(), 'bam-attempts-'));
    run = {
      eventsFile: join(folder, 'events.ndjson'),
      lockFile: join(folder, 'lock'),
      attemptsFolder: join(folder, 'stages'),
    };
  });
  afterEach(() => rmSync(dirname(run.eventsFile), { recursive: true }));

  const pathOf = (attempt: string): string => join(run.attemptsFolder, `${attempt}.ndjson`);

  /** What a trainer of an attempt writes. */
  function write(attempt: string, ...messages: string[]): void {
    mkdirSync(dirname(pathOf(attempt)), { recursive: true });
    const { log } = EventLog.open(pathOf(attempt));
    for (const message of messages) log.append({ type: 'note', level: 'info', message }, 1000);
    log.close();
  }

  /** What a process does that takes over a run. */
  function open(): { log: EventLog; attempts: AttemptLogs } {
    const { log, events } = EventLog.open(run.eventsFile);
    return { log, attempts: new AttemptLogs(run.attemptsFolder, log, events) };
  }

  function copyAll(): void {
    const { log, attempts } = open();
    attempts.copyAll();
    log.close();
  }

  const messages = (): string[] =>
    readLog(run.eventsFile).events.map((event) => (event.type === 'note' ? event.message : event.type));

  it('are copied once, with their times, attempts at one stage in order', () => {
    write('law/10', 'e');
    write('law/2', 'c', 'd');
    write(attemptName('code@seed=2', 1), 'a', 'b');
    copyAll();
    copyAll();
    assert.deepEqual(messages(), ['a', 'b', 'c', 'd', 'e']);
    const { events } = readLog(run.eventsFile);
    assert.deepEqual(
      events.map(({ sequence, time }) => [sequence, time]),
      [1, 2, 3, 4, 5].map((sequence) => [sequence, 1000]),
    );
    assert.deepEqual(events[1]!.source, { attempt: 'code%40seed%3D2/1', sequence: 2 });
  });

  it('are followed while they are written, with a line that is not whole yet', () => {
    const { log, attempts } = open();
    attempts.copy('law/1');
    write('law/1', 'a');
    attempts.copy('law/1');
    write('law/1', 'b');
    const whole = readFileSync(pathOf('law/1'), 'utf8');
    writeFileSync(pathOf('law/1'), whole.slice(0, -10));
    attempts.copy('law/1');
    assert.deepEqual(messages(), ['a']);
    appendFileSync(pathOf('law/1'), whole.slice(-10));
    attempts.copy('law/1');
    attempts.copy('law/1');
    assert.deepEqual(messages(), ['a', 'b']);
    log.close();
  });

  it('are copied whole by who comes after a process that was killed, wherever it stood', () => {
    write('law/1', 'a', 'b', 'c');
    write('math/1', 'd', 'e');
    copyAll();
    const whole = readFileSync(run.eventsFile);
    const undisturbed = messages();
    for (let length = 0; length <= whole.length; length += 7) {
      writeFileSync(run.eventsFile, whole.subarray(0, length));
      copyAll();
      assert.deepEqual(messages(), undisturbed, `cut behind ${length} bytes`);
    }
  });

  it('with a damaged line say so', () => {
    write('law/1', 'a');
    appendFileSync(pathOf('law/1'), '{"sequence":2,"ty\n');
    write('law/1', 'c');
    copyAll();
    assert.ok(messages().some((message) => message.includes('skipped a line that is not an event')));
    assert.ok(messages().includes('c'));
  });

  it('are left to the process that has the run', async () => {
    write('law/1', 'a');
    const lock = acquireLock(run.lockFile, 'The run');
    await catchUp(run, 0);
    assert.deepEqual(messages(), []);
    lock.release();
    await catchUp(run, 0);
    assert.deepEqual(messages(), ['a']);
    acquireLock(run.lockFile, 'The run').release();
  });
});
