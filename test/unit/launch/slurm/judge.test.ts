import assert from 'node:assert/strict';
import type { RunEvent } from '../../../../src/events/event';
import { hasEnded, JobTable } from '../../../../src/launch/slurm/job-table';
import { type Evidence, judge } from '../../../../src/launch/slurm/judge';

const EVIDENCE: Evidence = {
  phase: 'failed',
  job: '17',
  state: 'FAILED',
  hasResult: false,
  last: undefined,
  output: 'Killed',
  lacksParent: false,
  hasOpenEnd: false,
  isStopping: false,
  isSettled: true,
};
const stopped = { type: 'stage.stopped', stage: 'law', step: 5 } as unknown as RunEvent;
const failed = { type: 'stage.failed', stage: 'law', reason: 'diverged', message: 'no' } as unknown as RunEvent;

function verdict(changed: Partial<Evidence>): string {
  const found = judge('law', { ...EVIDENCE, ...changed });
  return found.state === 'failed' ? `failed: ${found.reason}` : found.state;
}

describe('the end of a job means for its stage', () => {
  it('that it is finished where there is a result, whatever Slurm says', () => {
    assert.equal(verdict({ hasResult: true, phase: 'gone' }), 'finished');
  });

  it('another job where Slurm ended it, lost it, or could not put it back into the queue', () => {
    assert.equal(verdict({ phase: 'again', state: 'NODE_FAIL' }), 'again');
    assert.equal(verdict({ phase: 'gone' }), 'again');
    assert.equal(verdict({ last: stopped }), 'again');
    assert.equal(verdict({ phase: 'parent-failed' }), 'again');
  });

  it('nothing while a needed stage is not judged, or its files may not be seen yet', () => {
    assert.equal(verdict({ phase: 'parent-failed', hasOpenEnd: true }), 'wait');
    assert.equal(verdict({ isSettled: false }), 'wait');
    assert.equal(verdict({ phase: 'finished', isSettled: false }), 'wait');
  });

  it('a failure by its own words, by those of Slurm, or by what was printed last', () => {
    assert.equal(verdict({ last: failed }), 'failed: diverged');
    assert.equal(verdict({ phase: 'cancelled' }), 'failed: cancelled');
    assert.equal(verdict({ state: 'OUT_OF_MEMORY' }), 'failed: out-of-memory');
    assert.equal(verdict({}), 'failed: crashed');
  });

  it('that it is left out, or stopped', () => {
    assert.equal(verdict({ phase: 'parent-failed', lacksParent: true }), 'left-out');
    assert.equal(verdict({ last: stopped, isStopping: true }), 'stopped');
    assert.equal(verdict({ phase: 'cancelled', isStopping: true, lacksParent: true }), 'stopped');
  });
});

describe('the jobs of a run', () => {
  const job = { state: 'RUNNING', reason: 'None', nodes: 'node1' };

  it('are known by their tags: an id that was given twice is not taken for theirs', () => {
    const table = new JobTable();
    table.add({ tag: 'a', id: '7', stages: [{ name: 'law', attempt: 1 }] });
    table.update([{ ...job, id: '7', tag: 'somebody else' }]);
    assert.equal(table.get('law')!.seen, undefined);
    assert.equal(hasEnded(table.get('law')!), false, 'once may be too early');
    table.update([]);
    assert.equal(hasEnded(table.get('law')!), true);
  });

  it('are found by their tags where sbatch never said the id, tasks by their numbers', () => {
    const table = new JobTable();
    const stages = [
      { name: 'law@seed=1', task: 3, attempt: 1 },
      { name: 'law@seed=2', task: 4, attempt: 1 },
    ];
    table.add({ tag: 'a', stages });
    table.update([
      { ...job, id: '9_4', tag: 'a' },
      { ...job, id: '9_3', tag: 'a', state: 'COMPLETED' },
    ]);
    assert.deepEqual([...table.places(['law@seed=2'])], [['law@seed=2', { job: '9', task: 4 }]]);
    assert.ok(hasEnded(table.get('law@seed=1')!) && !hasEnded(table.get('law@seed=2')!));
  });

  it('are those of the latest attempt', () => {
    const table = new JobTable();
    table.add({ tag: 'new', id: '8', stages: [{ name: 'law', attempt: 4 }] });
    table.add({ tag: 'old', id: '7', stages: [{ name: 'law', attempt: 1 }] });
    assert.equal(table.get('law')!.submission.tag, 'new');
  });
});
