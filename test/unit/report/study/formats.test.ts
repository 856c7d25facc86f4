import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { PlannedStage } from '../../../../src/plan/plan';
import { type StudyFormat, writeStudy } from '../../../../src/report/study/formats';
import type { Study } from '../../../../src/report/study/study';
import { planOf, studyOf, writeRun } from './support';

const RUN = 'x-20261124-171530-aaaa';
const HOSTILE = '<img src=x onerror=alert(1)></pre><script>alert("2")</script>|';
const law = ({ name, seed }: PlannedStage): number | null => (name === 'btx@seed=2,loadBalance=0' ? null : 4 + seed);

describe('the formats of a report', () => {
  let study: Study;
  const written = (format: StudyFormat, of = study): string => writeStudy(of, format);
  before(async () => {
    const plan = planOf('seeds: [1, 2]\nsweep: { stages.bam.train.loadBalance: [0, 0.1] }');
    study = await studyOf((place) => writeRun(place, RUN, { plan, law }), [RUN]);
  });

  it('Markdown: aligned tables with all that a paper says', () => {
    const text = written('md');
    const tables = text.split('\n\n').filter((block) => block.startsWith('|'));
    for (const table of tables) assert.equal(new Set(table.split('\n').map(({ length }) => length)).size, 1, table);
    const bam = tables[0]!.split('\n').find((line) => line.startsWith('| bam '))!;
    const cells = bam.split('|').map((cell) => cell.trim());
    // Law 5 and 6, general twice that, so the average is 7.5 and 9.
    // The pooled loss is half of ln 50 and of ln 72.
    const spreads = ['11.00 ± 1.414 (2)', '5.500 ± 0.707 (2)', '8.250 ± 1.061 (2)', '2.047 ± 0.129 (2)'];
    assert.deepEqual(cells.slice(1, 10), [
      'bam',
      '0',
      'BAM, KV experts',
      '-',
      ...spreads,
      '+0.000 [+0.000, +0.000] (2)',
    ]);
    assert.match(text, /The average is the mean of the columns general, law\./);
    assert.match(text, /\| dense +\| +- \| dense, continued \| +DM: bam \|/);
    assert.match(text, /\| btx +\| +0\.1 \| +BTX \| CM: bam \| 11\.00 ± 1\.414 \(2\)/);
    assert.match(text, /DM: data-matched.*CM: compute-matched/);
    assert.match(text, /^- Stage btx@seed=2,loadBalance=0 of run .* has no final result \(failed\)/m);
    for (const fact of ['0a1b2c3', '0.1.0', 'native TensorFlow 2.21.0', 'content of law', 'x-20261124-171530-aaaa']) {
      assert.ok(text.includes(fact), fact);
    }
    assert.match(text, /```yaml\nname: x\n/);
    assert.doesNotMatch(text, /svg/);
  });

  it('Markdown: a row with fewer domains is said to have another average', () => {
    const [first, ...others] = study.rows;
    const rows = [{ ...first!, perplexity: { ...first!.perplexity, law: null } }, ...others];
    assert.doesNotMatch(written('md'), /cannot be compared/);
    assert.match(written('md', { ...study, rows }), /mean of the others: such averages cannot be compared/);
  });

  it('have tasks where there are some', () => {
    const task = { kind: 'exact-match' as const, fingerprint: 'f', examples: 8, accuracy: 0.125 };
    const rows = study.rows.map((row) => ({ ...row, tasks: { sums: { mean: 0.25, deviation: 0.125, n: 2 } } }));
    const stages = study.stages.map((stage) => ({ ...stage, tasks: { sums: task } }));
    assert.match(written('md', { ...study, rows }), /\| dense +\| +- \| 25\.00 ± 12\.50 \(2\) \|/);
    assert.ok(written('csv', { ...study, stages }).includes(`${RUN},seed,finished,1,,,accuracy of sums,0.125\r\n`));
    assert.doesNotMatch(written('md'), /Tasks/);
  });

  it('CSV: one number a row, in full', () => {
    const lines = written('csv').trimEnd().split('\r\n');
    assert.equal(lines[0], 'run,stage,state,seed,loadBalance,domain,metric,value');
    assert.ok(lines.includes(`${RUN},bam,finished,2,0.1,law,perplexity,6`));
    assert.ok(lines.includes(`${RUN},bam,finished,2,0.1,,averagePerplexity,9`));
    assert.ok(lines.includes(`${RUN},seed,finished,1,,,flops,100000000000`));
    const failed = lines.filter((line) => line.startsWith(`${RUN},btx,failed,2,`));
    assert.deepEqual(
      failed.map((line) => line.split(',')[6]),
      ['parameters', 'activeParameters'],
    );
  });

  it('JSON: the same as data', () => {
    const { costs, ...rest } = JSON.parse(written('json')) as Study & { costs: { total: { flops: number } } };
    assert.deepEqual(rest, JSON.parse(JSON.stringify(study)));
    assert.equal(costs.total.flops, 100e9 * (study.stages.length - 1));
  });

  it('HTML: loads nothing, runs nothing, and allows exactly the style inside', () => {
    const page = written('html');
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!.replaceAll('&#39;', "'");
    const style = /<style>([\s\S]*?)<\/style>/.exec(page)![1]!;
    const hash = createHash('sha256').update(style).digest('base64');
    assert.equal(policy, `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`);
    const markup = page.replace(/<style>[\s\S]*?<\/style>/, '');
    assert.doesNotMatch(markup, /<script|\b(src|href|style|on[a-z]+)=/);
    assert.equal([...markup.matchAll(/<polyline/g)].length, 2 * study.curves.length, 'over tokens and over FLOPs');
    assert.equal(study.curves.length, 5, 'dense and two values of BAM and BTX');
  });

  it('show hostile names and files as text', () => {
    const [run] = study.runs;
    const hostile: Study = {
      ...study,
      title: HOSTILE,
      runs: [{ ...run!, file: `${HOSTILE}\n\`\`\`\nend`, engines: [HOSTILE] }],
      rows: study.rows.map((row) => ({ ...row, stage: HOSTILE })),
      curves: study.curves.map((curve) => ({ ...curve, group: HOSTILE })),
      missing: [HOSTILE],
    };
    const page = written('html', hostile);
    assert.doesNotMatch(page, /<img|<script/);
    assert.ok(page.includes('&#60;img src=x'));
    const text = written('md', hostile);
    const [outside, inside] = text.split('````yaml');
    assert.doesNotMatch(outside!, /<img/);
    assert.match(inside!, /\n```\nend\n````\n$/, 'the fence is longer than any in the file');
  });
});
