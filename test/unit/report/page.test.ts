import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { EventBody, Routing } from '../../../src/events/event';
import { reportRun } from '../../../src/report/run-report';
import * as made from '../store/synthetic';

const RUN = 'law-math-20261124-171530-a1b2';
const HOSTILE = `<img src=x onerror=alert(1)></script><script>alert("2")</script>'&amp;`;

function router(kind: Routing['router'], layer: number, load: number[]): Routing {
  const deadExperts = load.filter((share) => share === 0).length;
  return {
    layer,
    router: kind,
    load,
    meanGate: load,
    entropy: 0.6,
    maxViolation: Math.max(...load) * 2 - 1,
    deadExperts,
  };
}

/** A dense stage of 2000 steps and a mixture whose second FFN expert is dead on `law`. */
function events(names = { experiment: 'law-math', dense: 'seed', mixture: 'bam', domain: 'law' }): EventBody[] {
  const { experiment, dense, mixture, domain } = names;
  const routers = [router('attention', 0, [0.7, 0.3]), router('ffn', 0, [0.4, 0.6])];
  const attention = { ...router('attention', 0, [0.8, 0.2]), coActivation: [0.125], saturation: 0.75 };
  const held = { [domain]: [attention, router('ffn', 0, [1, 0])] };
  return [
    made.runStarted(RUN, [dense, mixture], { experiment, file: `/home/ada/${experiment}` }),
    { ...made.stageStarted(dense), engine: `engine ${experiment}` } as EventBody,
    ...Array.from({ length: 2000 }, (_, i) => made.step(dense, i + 1, i === 1234 ? 77.5 : 5 - i / 1000)),
    made.evaluated(dense, 1000, { [domain]: 31.25, math: 20 }),
    made.stageFinished(dense, made.evaluation(2000, { [domain]: 12.5, math: 16 })),
    made.stageStarted(mixture),
    ...[1, 2, 3].map((at) => made.step(mixture, at, 3, routers)),
    made.evaluated(mixture, 3, { [domain]: 8, math: 9 }, held),
    { type: 'note', level: 'warning', message: `note ${experiment}`, stage: mixture },
    { type: 'stage.failed', stage: mixture, reason: 'not-finite', message: `failed ${experiment}` },
    { type: 'run.ended', state: 'failed', message: `ended ${experiment}`, seconds: 60 },
  ];
}

async function report(bodies: EventBody[], plan?: string): Promise<string> {
  let page = '';
  await made.withWorkspace(async (workspace) => {
    made.writeEvents(workspace, RUN, bodies);
    if (plan !== undefined) writeFileSync(workspace.planFile(RUN), plan);
    page = (await reportRun(workspace, RUN)).html;
  });
  return page;
}

/** The elements of a kind: their attributes and their text. */
function elements(page: string, name: string): { attributes: string; text: string }[] {
  return [...page.matchAll(new RegExp(`<${name}([^>]*)>([\\s\\S]*?)</${name}>`, 'g'))].map((match) => ({
    attributes: match[1]!,
    text: match[2]!,
  }));
}

describe('report.html', () => {
  it('needs nothing from outside and allows exactly the style and scripts inside', async () => {
    const page = await report(events());
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!.replaceAll('&#39;', "'");
    const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    const scripts = elements(page, 'script').filter(({ attributes }) => !attributes.includes('application/json'));
    assert.equal(scripts.length, 2);
    const allowed = scripts.map(({ text }) => hash(text)).join(' ');
    const styles = elements(page, 'style').map(({ text }) => hash(text));
    const rules = [
      "default-src 'none'",
      `style-src ${styles.join(' ')}`,
      `script-src ${allowed}`,
      "base-uri 'none'",
      "form-action 'none'",
    ];
    assert.equal(policy, rules.join('; '));
    const markup = page.replace(/<(script|style)[\s\S]*?<\/\1>/g, '');
    assert.doesNotMatch(markup, /\b(src|href|style|on[a-z]+)=/, 'nothing is loaded, no handler or style is inline');
  });

  it('shows results, origin, notes and the numbers of every chart without scripts', async () => {
    const page = await report(events());
    const text = page
      .replace(/<script[\s\S]*?<\/script>/g, '')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ');
    assert.match(text, /seed - - 4\.1M 2T 12\.50 16\.00 2\.649 14\.25/);
    assert.match(text, /bam \(failed, at step 3\) - - 6\.14k 3G 8\.000 9\.000 2\.138 8\.500/);
    assert.match(page, /<td class="best">\s*8\.500/);
    for (const fact of [
      'Seed 7',
      'Commit 0a1b2c3',
      'Engine engine law-math',
      'plan.json is gone',
      '2026-11-24 17:15 UTC',
    ]) {
      assert.ok(text.includes(fact), fact);
    }
    for (const note of ['warning, bam: note law-math', 'bam failed: failed law-math', 'ended law-math']) {
      assert.ok(text.includes(note), note);
    }
    assert.match(text, /1000 2\.05M 31\.25 20\.00 25\.63/, 'the evaluations as a table');
    assert.match(text, /\(100 of 2000 steps\)/, 'an excerpt says that it is one');
    const charts = [...page.matchAll(/id="chart-/g)].length;
    assert.equal(charts, 2 + 3 + 2, 'perplexity of 2 stages, of 2 domains and the average; loss of 2 stages');
  });

  it('shows router load by layer and expert for the last evaluation, dead experts marked', async () => {
    const page = await report(events());
    const maps = elements(page, 'table').filter(({ attributes }) => attributes.includes('heat'));
    assert.equal(maps.length, 2, 'an FFN and an attention map for the one domain that was evaluated');
    const ffn = maps.find(({ text }) => text.includes('class="dead"'))!.text.replace(/\s+/g, ' ');
    assert.match(
      ffn,
      /class="h5"> ?1\.00/,
      'all tokens on one of two experts: twice the fair load, half of the shades',
    );
    assert.match(ffn, /<td class="bad">1<\/td>/);
    assert.match(page, /<polyline class="line c0" points="0\.0,/, 'load over the steps');
    const pruned = `${JSON.stringify(events()).replaceAll('"deadExperts":1', '"deadExperts":0,"removed":[1]')}`;
    const struck = await report(JSON.parse(pruned) as ReturnType<typeof events>);
    assert.match(struck, /<td title="pruned"><s>0\.00<\/s>/);
    assert.doesNotMatch(struck, /<td class="dead"/);
    const soft = maps.find(({ text }) => text.includes('0.80'))!.text.replace(/\s+/g, ' ');
    assert.match(soft, /<td>0\.60<\/td> ?<td>0\.75<\/td>/, 'entropy, and the choices that were kept');
    const pairs = elements(page, 'table').find(({ text }) => text.includes('mean product of both gates'))!;
    assert.match(pairs.text, /0 \+ 1[\s\S]*law, layer 0[\s\S]*0\.125/, 'which experts tokens have together');
  });

  it('hands the charts every peak of a long curve', async () => {
    const page = await report(events());
    const { charts } = JSON.parse(
      elements(page, 'script').find(({ attributes }) => attributes.includes('json'))!.text,
    ) as {
      charts: { id: string; x: number[]; series: { values: number[] }[] }[];
    };
    const loss = charts.find(({ id }) => id === 'loss-0')!;
    assert.ok(loss.x.length <= 1000);
    assert.equal(Math.max(...loss.series[0]!.values), 77.5);
    assert.ok(Math.max(...loss.series[1]!.values) < 10, 'smoothed');
  });

  it('shows hostile names as text', async () => {
    const names = { experiment: HOSTILE, dense: `${HOSTILE}a`, mixture: `${HOSTILE}b`, domain: `${HOSTILE}c` };
    const page = await report(events(names), '{ not a plan');
    assert.ok(!/<img|<script>alert/.test(page));
    assert.equal(elements(page, 'script').length, 3, 'none was ended early or added');
    const data = elements(page, 'script').find(({ attributes }) => attributes.includes('json'))!.text;
    assert.ok(JSON.stringify(JSON.parse(data)).includes('<img'), 'the name itself is kept');
    assert.ok(page.includes('&#60;img src=x'), 'and shown');
  });

  it('is made of a run that has just begun', async () => {
    const page = await report([made.runStarted(RUN, ['seed', 'bam'])]);
    for (const text of [
      'interrupted, 0 of 2 stages done',
      'No stage has been evaluated yet.',
      'No stage of this run has routers.',
    ]) {
      assert.ok(page.includes(text), text);
    }
  });
});
