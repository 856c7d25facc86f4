import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';

function mistakesOf(stages: string, domain = 'files: law/*'): string[] {
  const text = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { ${domain} } }
stages:
  seed: { train: { tokens: 1k } }
  mixed: { upcycle: { method: bam, experts: [seed, seed] } }
${stages}`;
  return parseExperiment(text).mistakes.map((mistake) => formatDiagnostic('x', mistake));
}

describe('adapters in an experiment file', () => {
  it('may be on a dense model or a mixture, with or without training, and stages may go on from them', () => {
    const stages = `  mov: { from: seed, adapt: { method: mov, experts: 10, parts: [ffn] }, train: { tokens: 1k } }
  lora: { from: mixed, adapt: { method: molora, experts: 1, rank: 2, alpha: 8, parts: [attention, ffn] } }
  more: { from: mov, train: { like: mov, loadBalance: 0 } }
  both: { ensemble: { members: [mov, lora] } }
`;
    assert.deepEqual(mistakesOf(stages), []);
  });

  it('are refused where they cannot be, each with why', () => {
    const stages = `  alone: { adapt: { method: mov, experts: 2 } }
  up: { upcycle: { method: btx, experts: [seed, mov] }, adapt: { method: mov, experts: 2 } }
  mov: { from: mixed, adapt: { method: mov, experts: 2, rank: 4, alpha: 1, parts: [attention, ffn] } }
  twice: { from: mov, adapt: { method: molora, experts: 0 } }
  more: { from: mov, train: { tokens: 1k, freeze: [norms], loadBalance: 0.01, routerZ: 0 } }
`;
    assert.deepEqual(mistakesOf(stages), [
      'x:7:12 stages.alone.adapt: expected `from` beside `adapt`, the stage whose model is adapted, found "adapt"',
      'x:8:9 stages.up.upcycle: expected no `upcycle` beside `adapt`: adapt the mixture in a stage of its own, found "upcycle"',
      'x:8:49 stages.up.upcycle.experts.1: expected a dense stage, found the mixture "mov"',
      'x:8:49 stages.up.upcycle.experts.1: expected a stage without adapters, found "mov", which has some',
      'x:8:57 stages.up.adapt: expected `from` beside `adapt`, the stage whose model is adapted, found "adapt"',
      'x:9:57 stages.mov.adapt.rank: expected no `rank` with mov, whose experts are vectors, found "rank"',
      'x:9:66 stages.mov.adapt.alpha: expected no `alpha` with mov, whose experts are vectors, found "alpha"',
      'x:9:95 stages.mov.adapt.parts.1: expected `attention` alone with mov in a mixture (the activations of FFN experts have no adapters), found "ffn"',
      'x:10:18 stages.twice.from: expected a stage without adapters beside `adapt`, found "mov", which has some',
      'x:10:57 stages.twice.adapt.experts: expected more than 0, found 0',
      'x:11:43 stages.more.train.freeze: expected no `freeze` in a stage with adapters, beside which nothing else trains, found "freeze"',
      'x:11:60 stages.more.train.loadBalance: expected no `loadBalance` in a stage with adapters, beside which nothing else trains, found "loadBalance"',
    ]);
    const split = `  mov: { from: seed, adapt: { method: mov, experts: 2 } }
  apart: { from: mov, split: { experts: 2, width: 16 } }
`;
    assert.deepEqual(
      mistakesOf(split).filter((mistake) => mistake.includes('adapters')),
      ['x:8:18 stages.apart.from: expected a stage without adapters beside `split`, found "mov", which has some'],
    );
  });

  it('may learn from instructions, which have a prompt and an answer and no other text', () => {
    assert.deepEqual(mistakesOf('', 'files: a.jsonl, prompt: q, answer: a'), []);
    assert.deepEqual(mistakesOf('', 'files: a.jsonl, prompt: q'), [
      'x:3:35 domains.law.prompt: expected `answer` beside `prompt`, found "prompt"',
    ]);
    assert.deepEqual(mistakesOf('', 'files: a.jsonl, answer: a, field: t'), [
      'x:3:35 domains.law.answer: expected `prompt` beside `answer`, found "answer"',
      'x:3:46 domains.law.field: expected either `field`, or `prompt` and `answer`, found "field"',
    ]);
  });
});
