import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseExperiment } from '../../../src/config/parse';
import { domainFacts, type Fact, stageFacts } from '../../../src/plan/facts';
import { dataMistakes, findData, planText, planWithData } from '../../../src/plan/plan-file';

const TEXT = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/*, heldOut: 0.25 }, math: { files: math/* } }
stages:
  seed: { train: { mix: { law: 1 }, tokens: 5120 } }
  copy: { from: seed, train: { mix: { law: 1 }, tokens: 2560 } }
  both: { upcycle: { method: bam, experts: [seed, copy] } }
`;

describe('what is known of an experiment', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-facts-'));
    for (const domain of ['law', 'math']) {
      mkdirSync(join(folder, domain));
      writeFileSync(join(folder, domain, 'a.txt'), 'one text');
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  const plan = (text = TEXT) => planText(text, join(folder, 'x.bam.yaml'), join(folder, 'data'));
  const valuesOf = (facts: Fact[]): Record<string, string> => Object.fromEntries(facts);

  it('is, for a stage that trains, where it starts, its size, its budget and how long it may take', async () => {
    const stage = (await plan()).plan.stages[1]!;
    const facts = valuesOf(stageFacts(stage, { speed: stage.train!.flops / 200 }));
    assert.equal(facts['starts from'], 'seed');
    assert.match(facts.parameters!, /^[\d.]+k, of them active [\d.]+k$/);
    assert.equal(facts.tokens, '2.56k in 10 steps');
    assert.equal(facts['estimated time'], '3 min 20 s');
    assert.equal(facts['last perplexity'], undefined);
    assert.equal(valuesOf(stageFacts(stage, {}))['estimated time'], undefined, 'no time without a measurement');
  });

  it('is, for a mixture, how and of what it is made, and how it did last', async () => {
    const stage = (await plan()).plan.stages[2]!;
    const last = { average: 5.4321, domains: { law: { perplexity: 4 }, math: { perplexity: 66.66 } } };
    const facts = valuesOf(stageFacts(stage, { speed: 1e9, last }));
    assert.equal(facts['upcycled by'], 'bam');
    assert.equal(facts['starts from'], 'seed + copy');
    assert.equal(facts.experts, undefined, 'they were not named');
    assert.equal(valuesOf(stageFacts(stage, { experts: ['seed', 'copy'] })).experts, 'seed, copy');
    assert.equal(facts.tokens, undefined, 'it does not train');
    assert.equal(facts['last perplexity'], '5.432 on average, law 4.000, math 66.66');
  });

  it('is, for a stage that prunes, what stays and how that is chosen', async () => {
    const stages = `${TEXT}  more: { from: both, train: { tokens: 5120 } }
  norm: { from: more, prune: { method: router-norm, since: both, keep: 1 } }
  merged: { from: more, prune: { method: similarity, share: 0.5 } }
`;
    const [norm, merged] = (await plan(stages)).plan.stages.slice(4).map((stage) => valuesOf(stageFacts(stage, {})));
    assert.equal(norm!['starts from'], 'more (since both)');
    assert.equal(norm!['pruned to'], '1 of 2 experts a layer, by router-norm since both, zero');
    assert.equal(merged!['pruned to'], '1 of 2 experts a layer, by similarity of outputs, masked');
  });

  it('is, for copies of one stage, which and how many, and what of them stays as it is', async () => {
    const stages = `${TEXT}  copies: { upcycle: { method: drop, experts: [seed], copies: 4 }, train: { tokens: 5120, freeze: [norms, experts] } }
  random: { upcycle: { method: scratch, copies: 4 }, train: { tokens: 5120 } }
`;
    const [copies, random] = (await plan(stages)).plan.stages.slice(3).map((stage) => valuesOf(stageFacts(stage, {})));
    assert.deepEqual([copies!['starts from'], copies!.frozen], ['seed x 4', 'experts, norms']);
    assert.deepEqual(
      [random!['upcycled by'], random!['starts from'], random!.frozen],
      ['scratch', 'random parameters', undefined],
    );
  });

  it('is, for a stage whose budget counts the parents of another, what they cost', async () => {
    const both = 'both: { upcycle: { method: bam, experts: [seed, copy] }';
    const stages = `${TEXT.replace(both, `${both}, train: { tokens: 5120 }`)}  more: { from: seed, train: { like: both, match: compute, countParents: true } }\n`;
    const { copy, more } = Object.fromEntries((await plan(stages)).plan.stages.map((stage) => [stage.name, stage]));
    const facts = valuesOf(stageFacts(more!, {}));
    assert.equal(facts['of them for parents'], valuesOf(stageFacts(copy!, {}))['training FLOPs']);
  });

  it('is, for a domain, what it holds and who trains on it', async () => {
    const planned = (await plan()).plan;
    const [law, math] = planned.domains.map((domain) => valuesOf(domainFacts(domain, planned)));
    assert.deepEqual(law, {
      files: '1',
      bytes: '8',
      'held out': '25 % of documents',
      'trained on by': 'seed, copy',
    });
    assert.equal(math!['trained on by'], 'no stage');
  });
});

describe('planning a text with data that was looked up before', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-text-'));
    mkdirSync(join(folder, 'law'));
    writeFileSync(join(folder, 'law', 'a.txt'), 'one text');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const read = (text: string) => {
    const { experiment, source } = parseExperiment(text);
    assert.ok(experiment);
    return { experiment, source };
  };

  it('gives the plan of the file as it would be saved', async () => {
    const text = TEXT.replace(', math: { files: math/* }', '');
    const { experiment } = read(text);
    const found = await findData(experiment, folder, join(folder, 'data'));
    rmSync(join(folder, 'law'), { recursive: true });
    const changed = text.replace('2560', '25600');
    const before = planWithData(experiment, folder, found)!;
    const after = planWithData(read(changed).experiment, folder, found)!;
    assert.equal(after.stages[1]!.train!.steps, 10 * before.stages[1]!.train!.steps);
    assert.equal(after.stages[0]!.key, before.stages[0]!.key);
  });

  it('gives no plan where data is missing, and marks it where it stands now', async () => {
    const { experiment } = read(TEXT);
    const found = await findData(experiment, folder, join(folder, 'data'));
    assert.equal(planWithData(experiment, folder, found), undefined);
    const { source } = read(`# a new line\n${TEXT}`);
    const [mistake, ...rest] = dataMistakes(source, found);
    assert.deepEqual([mistake!.path, mistake!.start.line, rest.length], ['domains.math.files', 4, 0]);
  });

  it('stops looking when it is told to', async () => {
    const { experiment } = read(TEXT);
    await assert.rejects(findData(experiment, folder, join(folder, 'data'), AbortSignal.abort()), {
      name: 'AbortError',
    });
  });
});
