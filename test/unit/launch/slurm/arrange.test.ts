import assert from 'node:assert/strict';
import { arrange, type Arrangement, dependencyText, type JobPlace } from '../../../../src/launch/slurm/arrange';

/** What is submitted, a line a job: `bam@seed=1#0 bam@seed=2#1 aftercorr:0`. */
function lines(needs: Record<string, string[]>, live: Record<string, JobPlace> = {}): string[] {
  const stages = Object.entries(needs).map(([name, its]) => ({ name, needs: its }));
  return arrange(stages, new Map(Object.entries(live))).map(lineOf);
}

function lineOf({ stages, after }: Arrangement): string {
  const names = stages.map(({ name, task }) => (task === undefined ? name : `${name}#${task}`));
  return [...names, ...(after ? [dependencyText(after, String)] : [])].join(' ');
}

describe('the jobs that stages become', () => {
  it('are one a stage, each behind those that it needs', () => {
    assert.deepEqual(lines({ seed: [], law: ['seed'], math: ['seed'], bam: ['seed', 'law', 'math'] }), [
      'seed',
      'law afterok:0',
      'math afterok:0',
      'bam afterok:0:1:2',
    ]);
  });

  it('wait for jobs that are there, and for nothing that is finished', () => {
    const live = { law: { job: '17' }, math: { job: '18', task: 4 } };
    assert.deepEqual(lines({ bam: ['seed', 'law', 'math'] }, live), ['bam afterok:17:18_4']);
    assert.deepEqual(lines({ bam: ['seed'] }), ['bam']);
  });

  it('are one array a stage where there are several seeds', () => {
    const needs = {
      'seed@seed=1': [],
      'law@seed=1': ['seed@seed=1'],
      'bam@seed=1': ['seed@seed=1', 'law@seed=1'],
      'seed@seed=2': [],
      'law@seed=2': ['seed@seed=2'],
      'bam@seed=2': ['seed@seed=2', 'law@seed=2'],
    };
    assert.deepEqual(lines(needs), [
      'seed@seed=1#0 seed@seed=2#1',
      'law@seed=1#0 law@seed=2#1 aftercorr:0',
      'bam@seed=1#0 bam@seed=2#1 aftercorr:0:1',
    ]);
  });

  it('are an array for each seed where values are swept, and arrays behind those task by task', () => {
    const needs: Record<string, string[]> = {};
    for (const seed of [1, 2]) {
      needs[`seed@seed=${seed}`] = [];
      for (const value of [0, 1]) {
        needs[`bam@seed=${seed},x=${value}`] = [`seed@seed=${seed}`];
        needs[`long@seed=${seed},x=${value}`] = [`bam@seed=${seed},x=${value}`];
      }
    }
    assert.deepEqual(lines(needs), [
      'seed@seed=1#0 seed@seed=2#1',
      'bam@seed=1,x=0#0 bam@seed=1,x=1#1 afterok:0_0',
      'bam@seed=2,x=0#0 bam@seed=2,x=1#1 afterok:0_1',
      'long@seed=1,x=0#0 long@seed=1,x=1#1 aftercorr:1',
      'long@seed=2,x=0#0 long@seed=2,x=1#1 aftercorr:2',
    ]);
  });

  it('never wait for a task of another number, nor start before what they need is submitted', () => {
    // A swept `from`: one variant needs a stage that stands behind the other variant.
    assert.deepEqual(lines({ a: [], 'c@from=a': ['a'], b: [], 'c@from=b': ['b'] }), [
      'a',
      'b',
      'c@from=a afterok:0',
      'c@from=b afterok:1',
    ]);
    // Of the array 9, tasks 3 and 5 are left.
    const live = { 'a@seed=1': { job: '9', task: 3 }, 'a@seed=2': { job: '9', task: 5 } };
    assert.deepEqual(lines({ 'b@seed=2': ['a@seed=2'], 'b@seed=1': ['a@seed=1'] }, live), [
      'b@seed=1#3 b@seed=2#5 aftercorr:9',
    ]);
    // One parent is gone: the array of the other has no task of that number for it.
    assert.deepEqual(
      lines({ 'b@seed=1': ['a@seed=1'], 'b@seed=3': ['a@seed=3'] }, live),
      ['b@seed=3', 'b@seed=1 afterok:9_3'].reverse(),
    );
  });
});
