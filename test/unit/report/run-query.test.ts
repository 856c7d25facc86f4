import assert from 'node:assert/strict';
import { parseQuery } from '../../../src/report/run-table/query';
import { matchesPattern } from '../../../src/report/run-table/words';
import { run, stage } from './run-table-support';

const RUNS = [
  run('plain', { tags: ['old'], seed: 2, stages: [stage('seed', 9), stage('bam', 3.5, { law: 4.9, math: 2 })] }),
  run('titled', { title: 'The <b>big</b> one', starred: true, stages: [stage('seed', 3), stage('bam', 5)] }),
  run('broken', { state: 'failed', experiment: 'law-only', note: 'ran out of memory', stages: [stage('seed', null)] }),
  run('paper', { tags: ['paper', 'two words'], seconds: 7200, started: Date.UTC(2026, 10, 2), commit: null }),
  run('hidden', { archived: true, stages: [stage('bam', 1)] }),
];

/** Ids of the runs that a query finds; it must have no mistake. */
function found(text: string): string[] {
  const { matches, problem } = parseQuery(text, RUNS);
  assert.equal(problem, null);
  return RUNS.filter(matches).map(({ id }) => id);
}

describe('the query of the run table', () => {
  const cases: [query: string, expected: string[]][] = [
    ['', ['plain', 'titled', 'broken', 'paper']],
    ['archived', ['hidden']],
    ['-archived', ['plain', 'titled', 'broken', 'paper']],
    ['starred', ['titled']],
    ['-starred', ['plain', 'broken', 'paper']],
    ['"starred"', []],
    ['BIG', ['titled']],
    ['<b>', ['titled']],
    ['"out of mem"', ['broken']],
    ['memory out', ['broken']],
    ['-"out of mem" law-only', []],
    ['two', ['paper']],
    ['tag:old', ['plain']],
    ['tag:ol', []],
    ['tag:"two words"', ['paper']],
    ['-tag:old -tag:paper', ['titled', 'broken']],
    ['state:failed', ['broken']],
    ['seed:2', ['plain']],
    ['seed>=1 seed<2', ['titled', 'broken', 'paper']],
    ['experiment:law*', ['plain', 'titled', 'broken', 'paper']],
    ['experiment:LAW-O*Y', ['broken']],
    ['stage:bam', ['plain', 'titled']],
    ['avg<4', ['plain', 'titled']],
    ['stage:bam avg<4', ['plain']],
    ['avg<4 stage:bam', ['plain']],
    ['stage:seed avg<4 stage:bam avg>4', ['titled']],
    ['stage:b* avg<4', ['plain']],
    ['-stage:bam avg<4', []],
    ['bam.law<5', ['plain']],
    ['bam.law<=4.9', ['plain']],
    ['bam.law>5', []],
    ['*.math=2', ['plain']],
    ['bam.avg<4 bam.tokens>=500k bam.flops<1e13', ['plain']],
    ['best<4', ['plain', 'titled']],
    ['duration>1h', ['paper']],
    ['duration<=10min', ['plain', 'titled', 'broken']],
    ['started:2026-11-01', ['plain', 'titled', 'broken']],
    ['started>2026-11-01', ['paper']],
    ['started>=2026-11-01', ['plain', 'titled', 'broken', 'paper']],
    ['started<2026-11-01', []],
    ['started<=2026-11-01T17:15', ['plain', 'titled', 'broken']],
    ['commit:0a1b', ['plain', 'titled', 'broken']],
    ['stages>1', ['plain', 'titled']],
  ];
  for (const [query, expected] of cases) {
    it(`finds ${expected.join(', ') || 'nothing'} by: ${query || '(empty)'}`, () =>
      assert.deepEqual(found(query), expected));
  }

  const mistakes: [query: string, message: RegExp, left: string[]][] = [
    ['state:failed avg<', /^At character 14: avg< needs a value/, ['broken']],
    ['avg<low', /^At character 1: avg needs a number such as 4/, ['plain', 'titled', 'broken', 'paper']],
    ['starred state:done', /^At character 9: there is no state done; there are queued, /, ['titled']],
    ['colour:red', /^At character 1: there is no field colour; .*Quote it/, ['plain', 'titled', 'broken', 'paper']],
    ['started>yesterday', /started needs a date such as 2026-11-01/, ['plain', 'titled', 'broken', 'paper']],
    ['started>2026-02-30', /started needs a date/, ['plain', 'titled', 'broken', 'paper']],
    ['tag<old', /tag is a text: write tag:old/, ['plain', 'titled', 'broken', 'paper']],
    ['stage:bem', /no run has a stage bem/, ['plain', 'titled', 'broken', 'paper']],
    ['bam.low<5', /no run has a number bam\.low/, ['plain', 'titled', 'broken', 'paper']],
    ['tag:"old', /^At character 1: the quote is not closed/, ['plain', 'titled', 'broken', 'paper']],
    ['big -', /^At character 5: there is nothing behind the minus/, ['titled']],
  ];
  for (const [query, message, left] of mistakes) {
    it(`says what is wrong with ${query}, and goes by the rest`, () => {
      const { matches, problem } = parseQuery(query, RUNS);
      assert.match(problem!, message);
      assert.deepEqual(
        RUNS.filter(matches).map(({ id }) => id),
        left,
      );
    });
  }

  it('never throws and never hangs, whatever is typed', () => {
    const pieces = [
      '"',
      '-',
      ':',
      '<',
      '=',
      '>',
      '.',
      '*',
      ' ',
      'avg',
      'stage',
      'constructor',
      '__proto__',
      'é',
      '1e9',
    ];
    let state = 7;
    const next = (limit: number): number => (state = (state * 48_271) % 2_147_483_647) % limit;
    for (let round = 0; round < 2000; round++) {
      const text = Array.from({ length: 1 + next(8) }, () => pieces[next(pieces.length)]).join('');
      const { matches, problem } = parseQuery(text, RUNS);
      RUNS.forEach(matches);
      assert.ok(problem === null || /^At character \d+: /.test(problem), text);
    }
    assert.equal(matchesPattern(`${'*a'.repeat(5000)}b`, 'a'.repeat(10_000)), false);
  });

  it('takes stars anywhere', () => {
    assert.ok(matchesPattern('a*b*c', 'axxbxxc'));
    assert.ok(matchesPattern('*', ''));
    assert.ok(!matchesPattern('ab*ba', 'aba'), 'the parts may not overlap');
    assert.ok(!matchesPattern('a.c', 'abc'), 'a dot is a dot');
  });
});
