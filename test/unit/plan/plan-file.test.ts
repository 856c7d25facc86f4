import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { parseExperiment } from '../../../src/config/parse';
import { ExperimentError, planFile } from '../../../src/plan/plan-file';
import type { Plan } from '../../../src/plan/plan';

const examples = join(import.meta.dirname, '../../../examples');

describe('examples', () => {
  let dataFolder: string;
  before(() => {
    dataFolder = mkdtempSync(join(tmpdir(), 'bam-plan-'));
    execFileSync(process.execPath, [join(examples, 'make-math.mjs')]);
  });
  after(() => rmSync(dataFolder, { recursive: true }));

  const planOf = async (name: string): Promise<Plan> => (await planFile(join(examples, name), dataFolder)).plan;
  const stageOf = (plan: Plan, name: string) => plan.stages.find((stage) => stage.name === name)!;

  it('all parse without a mistake and can be planned', async () => {
    const files = globSync('*.bam.yaml', { cwd: examples });
    assert.ok(files.length >= 5);
    for (const file of files) {
      const { plan, text } = await planFile(join(examples, file), dataFolder);
      assert.deepEqual(parseExperiment(text).mistakes, [], file);
      assert.ok(plan.stages.length >= 8 && plan.domains.every(({ files: count }) => count > 0), file);
      for (const { name, train } of plan.stages) {
        if (!train) continue;
        const shares = Object.values(train.mix).reduce((sum, share) => sum + share, 0);
        assert.ok(Math.abs(shares - 1) < 1e-12, `${file}, ${name}`);
      }
    }
  });

  it('have the parameter counts that BAM publishes for its 590m models', async () => {
    const plan = await planOf('paper-590m.bam.yaml');
    assert.equal(stageOf(plan, 'dense').parameters.total, 587_209_728);
    assert.deepEqual(stageOf(plan, 'btx').parameters, { total: 700_480_512, active: 587_234_304 });
    assert.equal(stageOf(plan, 'bam').parameters.total, 776_002_560);
    assert.deepEqual(stageOf(plan, 'bam-shared-kv').parameters, { total: 738_253_824, active: 625_007_616 });
  });

  it('match BTX in data and in compute', async () => {
    const plan = await planOf('paper-2b.bam.yaml');
    const [bam, btx, matched] = ['bam', 'btx', 'bam-compute-matched'].map((name) => stageOf(plan, name).train!);
    assert.equal(bam!.tokens, btx!.tokens);
    assert.ok(Math.abs(matched!.flops / btx!.flops - 1) < 1e-3);
    assert.ok(matched!.tokens < btx!.tokens);
    assert.equal((stageOf(plan, 'dense').parameters.total / 1e9).toFixed(3), '1.991');
  });

  it('sweep a mixture over seeds, whose dense stages run once a seed', async () => {
    const { stages } = await planOf('sweep.bam.yaml');
    const count = (name: string): number => stages.filter(({ variant }) => variant?.stage === name).length;
    assert.deepEqual(['seed', 'law', 'code', 'bam', 'dense'].map(count), [3, 3, 3, 9, 3]);
  });

  it("repeat the paper's comparison at small size: one thing differs at a time, what is shared runs once a seed", async () => {
    const { stages } = await planOf('paper-small.bam.yaml');
    const ofSeed2 = (name: string) => stages.find(({ name: found }) => found === `${name}@seed=2`)!;
    const names = [...new Set(stages.map(({ variant }) => variant!.stage))];
    assert.equal(stages.length, 3 * names.length);
    const [btx, kv, six] = ['btx', 'bam-kv-dm', 'btx-6'].map(ofSeed2);
    for (const name of names.slice(names.indexOf('btx'))) {
      const { train, parents } = ofSeed2(name);
      const isCompute = /-(cm|top1)$|shared-top2$/.test(name);
      const [found, wanted] = isCompute ? [train!.flops, btx!.train!.flops] : [train!.tokens, btx!.train!.tokens];
      if (name !== 'dense-cm-parents')
        assert.ok(Math.abs(found / wanted - 1) < 0.01, `${name}: ${found}, not ${wanted}`);
      assert.ok(
        parents.every(({ name: parent }) => parent.endsWith('@seed=2')),
        name,
      );
    }
    const specialists = ['law', 'code', 'math'].reduce((sum, name) => sum + ofSeed2(name).train!.flops, 0);
    assert.equal(ofSeed2('dense-cm-parents').train!.parentFlops, specialists);
    assert.ok(Math.abs(six!.parameters.total / kv!.parameters.total - 1) < 0.001);
    assert.ok(Math.abs(ofSeed2('seed').parameters.total / 2.7e6 - 1) < 0.01);
  });

  it('plan at once where the data is known', async () => {
    await planOf('paper-2b.bam.yaml');
    const start = performance.now();
    await planOf('paper-2b.bam.yaml');
    const seconds = (performance.now() - start) / 1000;
    console.log(`      planned paper-2b in ${seconds.toFixed(2)} s`);
    assert.ok(seconds < 5, `planning took ${seconds} s`);
  });
});

describe('planning a file', () => {
  let folder: string;
  const write = (name: string, content: string): string => {
    mkdirSync(join(folder, 'law'), { recursive: true });
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-plan-'));
    write('law/a.txt', 'one text');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const text = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains:
  law: { files: law/* }
stages:
  seed: { train: { tokens: 1k } }
`;
  const plan = (file: string, settings: string[] = []) => planFile(file, join(folder, 'data'), settings);

  async function diagnosticsOf(file: string, settings: string[] = []): Promise<string[]> {
    try {
      await plan(file, settings);
    } catch (error) {
      assert.ok(error instanceof ExperimentError, String(error));
      return error.message.replaceAll(folder, '').split('\n');
    }
    return assert.fail('the file was planned');
  }

  it('has other keys when a text of a domain changes, the old ones when it is back', async () => {
    const file = write('x.bam.yaml', text);
    const key = async () => (await plan(file)).plan.stages[0]!.key;
    const first = await key();
    write('law/a.txt', 'another text');
    assert.notEqual(await key(), first);
    write('law/a.txt', 'one text');
    assert.equal(await key(), first);
    write('x.bam.yaml', text.replace('law/* }', 'law/*, heldOut: 0.2 }'));
    assert.notEqual(await key(), first);
  });

  it('lists every mistake with the file, line and column', async () => {
    const file = write('x.bam.yaml', text.replace('layers: 2', 'layers: two').replace('1k', 'some'));
    assert.deepEqual(await diagnosticsOf(file), [
      '/x.bam.yaml has 2 mistakes:',
      '  /x.bam.yaml:2:18 model.layers: expected a whole number, found "two"',
      '  /x.bam.yaml:6:28 stages.seed.train.tokens: expected a positive count such as 2048, 500k or 1M, found "some"',
    ]);
  });

  it('says at their place in the file which corpus and tokenizer cannot be used, and why', async () => {
    const domains = 'domains:\n  code: { files: code/* }\n';
    const file = write(
      'x.bam.yaml',
      text.replace('context: 16', 'context: 16, tokenizer: none.json').replace('domains:\n', domains),
    );
    const [head, tokenizer, corpus, ...rest] = await diagnosticsOf(file);
    assert.equal(head, '/x.bam.yaml has 2 mistakes:');
    assert.match(
      tokenizer!,
      /:2:81 model\.tokenizer: expected a tokenizer that can be used, found a problem: .*none\.json/,
    );
    assert.match(
      corpus!,
      /:4:18 domains\.code\.files: expected a corpus that can be used, found a problem: Domain code: the glob "code/,
    );
    assert.match(corpus!, /Check the spelling/);
    assert.deepEqual(rest, []);
  });

  it('reads tasks: how many examples there are, or what cannot be used, at its place in the file', async () => {
    const row = JSON.stringify({ prompt: '1+1=', answer: '2' });
    write('sums.jsonl', `${row}\n${row}\n`);
    const tasks = 'tasks: { sums: { file: sums.jsonl, kind: exact-match } }\n';
    const file = write('x.bam.yaml', text + tasks);
    const [task] = (await plan(file)).plan.tasks!;
    assert.deepEqual([task!.name, task!.examples], ['sums', 2]);
    write('sums.jsonl', `${row}\n{"prompt":"${'9'.repeat(16)}","answer":"9"}\n`);
    const [, mistake] = await diagnosticsOf(file);
    assert.match(
      mistake!,
      /:7:24 tasks\.sums\.file: expected a task that can be used, .*sums\.jsonl:2: .* context of 16/,
    );
    write('sums.jsonl', row);
    const [, tooLong] = await diagnosticsOf(write('z.bam.yaml', `${text}${tasks}sweep: { model.context: [16, 4] }\n`));
    assert.match(tooLong!, /tasks\.sums\.file: .* context of 4/, 'the smallest context of the variants');
    const { tasks: none } = (await plan(write('y.bam.yaml', text))).plan;
    assert.equal(none, undefined);
  });

  it('applies settings, and keeps the text that it planned', async () => {
    const file = write('x.bam.yaml', text);
    const changed = await plan(file, ['stages.seed.train.tokens=4k', 'seed=7']);
    assert.equal(changed.plan.seed, 7);
    assert.equal(changed.plan.stages[0]!.train!.steps, Math.round(4000 / 256));
    assert.equal(parseExperiment(changed.text).experiment?.seed, 7);
    assert.deepEqual(await diagnosticsOf(file, ['stages.seed.train.tokens=none']), [
      '/x.bam.yaml has a mistake:',
      '  /x.bam.yaml:6:28 stages.seed.train.tokens: expected a positive count such as 2048, 500k or 1M, found "none"',
    ]);
  });

  it('says that there is no such file', async () => {
    await assert.rejects(plan(join(folder, 'none.bam.yaml')), { reason: 'no-file', message: /none\.bam\.yaml/ });
    await assert.rejects(plan(folder), { reason: 'no-file' });
  });
});
