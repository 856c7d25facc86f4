import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventBody } from '../../../src/events/event';
import { withSmallDisk } from '../base/small-disk';
import { EventLog, MAXIMUM_LINE_LENGTH, readLog } from '../../../src/events/log';

const note = (message: string): EventBody => ({ type: 'note', level: 'info', message });

describe('event log', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-events-'));
    path = join(folder, 'events.ndjson');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Appends notes by a writer of their own; returns what it repaired. */
  function append(...messages: string[]): string | undefined {
    const { log, repaired } = EventLog.open(path);
    for (const message of messages) log.append(note(message));
    log.close();
    return repaired;
  }
  const sequences = () => readLog(path).events.map(({ sequence }) => sequence);
  const messages = (offset?: number) =>
    readLog(path, offset).events.map((event) => (event.type === 'note' ? event.message : event.type));

  it('gives back what was appended, numbered from 1 on over all sessions', () => {
    assert.deepEqual(readLog(path), { events: [], offset: 0, problems: [] });
    assert.equal(append('a', 'b'), undefined);
    assert.equal(append('ünï\n"code"', 'd'), undefined);
    assert.deepEqual(messages(), ['a', 'b', 'ünï\n"code"', 'd']);
    assert.deepEqual(sequences(), [1, 2, 3, 4]);
    const { events } = readLog(path);
    assert.ok(events.every(({ time }) => Math.abs(Date.now() - time) < 60_000));
  });

  it('goes on behind what was read before', () => {
    append('a', 'b');
    const { offset } = readLog(path);
    append('c');
    assert.deepEqual(messages(offset), ['c']);
    const first = readLog(path, 0, 1);
    assert.equal(first.events.length, 1);
    assert.deepEqual(messages(first.offset), ['b', 'c']);
  });

  it('removes a last line that was torn, says so, and goes on with its number', () => {
    append('a', 'b', 'c');
    const whole = readFileSync(path);
    const kept = whole.lastIndexOf(10, whole.length - 2) + 1;
    writeFileSync(path, whole.subarray(0, whole.length - 7));
    assert.deepEqual(messages(), ['a', 'b']);
    assert.match(
      append('d')!,
      new RegExp(`last line of .*events\\.ndjson was cut short.*its ${whole.length - 7 - kept} bytes`),
    );
    assert.deepEqual(messages(), ['a', 'b', 'd']);
    assert.deepEqual(sequences(), [1, 2, 3]);
    assert.deepEqual(readLog(path).problems, []);
  });

  it('skips a damaged line, names its place, and never gives its number again', () => {
    append('a', 'b', 'c');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [lines[0], lines[1]!.replace('note', 'nonsense'), '{"torn": ', ''].join('\n'));
    const { events, problems } = readLog(path);
    assert.equal(events.length, 1);
    const second = lines[0]!.length + 1;
    assert.equal(problems.length, 2);
    assert.equal(problems[0], `${path}, byte ${second}: skipped a line that is not an event`);
    append('d');
    assert.deepEqual(messages(), ['a', 'd']);
    assert.deepEqual(sequences(), [1, 4]);
  });

  it('skips a line that is too long, and reads on behind it', () => {
    append('a');
    appendFileSync(path, `${'x'.repeat(MAXIMUM_LINE_LENGTH + 1)}\n`);
    append('b');
    assert.deepEqual(messages(), ['a', 'b']);
    assert.match(readLog(path).problems[0]!, /skipped a line of 4194305 bytes \(the limit is 4194304\)/);
  });

  it('shows a reader whole events only, wherever the writer is in a line', () => {
    append('a', 'é and more');
    const bytes = readFileSync(path);
    const other = join(folder, 'other.ndjson');
    const handle = openSync(other, 'w');
    const ends = [bytes.indexOf(10) + 1, bytes.length];
    let offset = 0;
    let seen = 0;
    for (let written = 1; written <= bytes.length; written++) {
      writeSync(handle, bytes, written - 1, 1);
      const part = readLog(other, offset);
      assert.deepEqual(part.problems, []);
      offset = part.offset;
      seen += part.events.length;
      assert.equal(seen, ends.filter((end) => end <= written).length, `after ${written} bytes`);
    }
    closeSync(handle);
  });

  it('shows a polling reader every event of another process once', async () => {
    const source = JSON.stringify(join(import.meta.dirname, '../../../src/events/log.ts'));
    const script = `const { EventLog } = require(${source});
      const { log } = EventLog.open(process.argv[1]);
      for (let i = 1; i <= 2000; i++) log.append({ type: 'note', level: 'info', message: 'x'.repeat(i) });
      log.close();`;
    const writer = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script, path], { stdio: 'inherit' });
    const ended = once(writer, 'exit');
    const found: number[] = [];
    for (let offset = 0; found.length < 2000 && writer.exitCode === null;) {
      const part = readLog(path, offset);
      assert.deepEqual(part.problems, []);
      found.push(...part.events.map(({ sequence }) => sequence));
      offset = part.offset;
      await new Promise((wake) => setTimeout(wake, 1));
    }
    await ended;
    found.push(...sequences().slice(found.length));
    assert.deepEqual(
      found,
      Array.from({ length: 2000 }, (_, i) => i + 1),
    );
  });

  it('takes numbers that JSON cannot hold for a damaged line rather than a zero', () => {
    const { log } = EventLog.open(path);
    log.append({ type: 'run.ended', state: 'finished', seconds: NaN });
    log.append(note('after'));
    log.close();
    assert.deepEqual(messages(), ['after']);
    assert.equal(readLog(path).problems.length, 1);
  });

  it('leaves no part of a line behind when the disk is full (needs root on Linux)', function () {
    return withSmallDisk(this, 64, (disk) => {
      const full = join(disk, 'events.ndjson');
      const { log } = EventLog.open(full);
      log.append(note('a'));
      assert.throws(() => log.append(note('x'.repeat(100_000))), { reason: 'no-space', message: /events\.ndjson/ });
      assert.equal(log.append(note('b')).sequence, 2);
      log.close();
      const { events, problems } = readLog(full);
      assert.deepEqual([events.length, problems], [2, []]);
    });
  });
});
