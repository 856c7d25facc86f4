import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { completionsAt } from '../../../src/config/completion';
import { nameAt, placesOf } from '../../../src/config/names';
import { originOf, outlineOf } from '../../../src/config/outline';
import { parseExperiment } from '../../../src/config/parse';

/** Mistakes of a file around some stages, without their places but for the path. */
function mistakesOf(stages: string): string[] {
  const { mistakes } = parseExperiment(`name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* } }
stages:
  seed: { train: { tokens: 1k } }
${stages}`);
  return mistakes.map((mistake) => formatDiagnostic('x', mistake).replace(/^x:\d+:\d+ /, ''));
}

describe('mistakes in a split', () => {
  const split = (keys: string, rest = 'from: seed, '): string[] => mistakesOf(`  s: { ${rest}split: { ${keys} } }`);

  it('are none where a dense stage is split', () => {
    assert.deepEqual(split('experts: 4, width: 16, shared: 8'), []);
    assert.deepEqual(split('experts: 1, width: 64, shared: 0'), []);
    assert.deepEqual(split('experts: 3, width: 64, shared: 64, routing: learnt, importance: inverse, tokens: 2k'), []);
  });

  it('are a missing stage, other origins, and a mixture', () => {
    assert.deepEqual(split('experts: 4, width: 16, shared: 8', ''), [
      'stages.s.split: expected `from` beside `split`, a dense stage, found "split"',
    ]);
    const both = 'from: seed, upcycle: { method: sparse, experts: [seed], copies: 2 }, ';
    const [first] = split('experts: 4, width: 16, shared: 8', both).filter((mistake) => mistake.includes('split'));
    assert.match(first!, /stages\.s\.upcycle: expected no `upcycle` beside `split`/);
    const again = '  s: { from: seed, split: { experts: 4, width: 16, shared: 8 } }\n';
    const mixture = `${again}  t: { from: s, split: { experts: 2, width: 4, shared: 0 } }`;
    assert.deepEqual(mistakesOf(mixture), ['stages.t.from: expected a dense stage, found the mixture "s"']);
    for (const made of [
      'upcycle: { method: bam, experts: [seed, seed] }',
      'upcycle: { method: bam, attention: shared-kv, experts: [seed, seed] }',
      'upcycle: { method: btx, experts: [seed, seed] }',
      'upcycle: { method: sparse, experts: [seed], copies: 2, zeroComputation: {} }',
    ]) {
      const of = `  m: { ${made} }\n  t: { from: m, split: { experts: 2, width: 4, shared: 0 } }`;
      assert.deepEqual(mistakesOf(of), ['stages.t.from: expected a dense stage, found the mixture "m"'], made);
    }
    const narrow = mixture.replace('experts: 4', 'experts: 1');
    assert.deepEqual(mistakesOf(narrow), [], 'one expert stays dense');
    assert.deepEqual(mistakesOf(`${again}  b: { upcycle: { method: btx, experts: [seed, s] } }`), [
      'stages.b.upcycle.experts.1: expected a dense stage, found the mixture "s"',
    ]);
  });

  it('are more neurons than there are, also those of a split before, and more shared ones than an expert has', () => {
    const [wide] = split('experts: 4, width: 32, shared: 8');
    assert.match(wide!, /stages\.s\.split\.width: .* at most the 64 hidden neurons .* is 104\), found 32/);
    assert.match(split('experts: 1, width: 65, shared: 0')[0]!, /at most the 64 hidden neurons/);
    assert.deepEqual(split('experts: 4, width: 16, shared: 17'), [
      'stages.s.split.shared: expected at most the width 16, found 17',
    ]);
    const twice = `  s: { from: seed, split: { experts: 1, width: 16, shared: 0 } }
  t: { from: s, split: { experts: 4, width: 8, shared: 0 } }`;
    assert.match(mistakesOf(twice)[0]!, /stages\.t\.split\.width: .* at most the 16 hidden neurons/);
  });

  it('are a routing of one expert', () => {
    assert.deepEqual(split('experts: 1, width: 16, shared: 0, routing: hash'), [
      'stages.s.split.routing: expected no `routing` with one expert, found "routing"',
    ]);
  });
});

describe('mistakes in learning from a teacher', () => {
  const taught = (distill: string, more = ''): string[] =>
    mistakesOf(`  s: { from: seed, train: { tokens: 1k, distill: { ${distill} } } }\n${more}`);

  it('are none where the teacher is another stage, dense or a mixture', () => {
    const mixture = '  m: { upcycle: { method: sparse, experts: [seed], copies: 2 } }';
    for (const teacher of ['seed', 'm']) assert.deepEqual(taught(`teacher: ${teacher}`, mixture), []);
  });

  it('are an unknown teacher, an ensemble, and one that learns from its pupil', () => {
    assert.deepEqual(taught('teacher: sed'), [
      'stages.s.train.distill.teacher: expected the stage `seed`, found "sed"',
    ]);
    const ensemble = '  e: { ensemble: { members: [seed, seed] } }';
    assert.deepEqual(taught('teacher: e', ensemble), [
      'stages.s.train.distill.teacher: expected a stage with a checkpoint, found the ensemble "e"',
    ]);
    const circle = taught('teacher: t', '  t: { from: s, train: { tokens: 1k } }');
    assert.match(circle[0]!, /expected stages that do not lead back to themselves/);
    assert.match(taught('teacher: s')[0]!, /expected stages that do not lead back to themselves/);
  });

  it('are a weight of nothing and unknown layers', () => {
    assert.match(taught('teacher: seed, weight: 0')[0]!, /distill\.weight: expected/);
    assert.match(taught('teacher: seed, layers: some')[0]!, /distill\.layers: expected/);
  });
});

describe('an editor', () => {
  const text = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* } }
stages:
  seed: { train: { tokens: 1k } }
  hash: { from: seed, split: { experts: 4, width: 16, shared: 8 } }
  narrow: { from: seed, split: { experts: 1, width: 16, shared: 8 } }
  s: { from: narrow, split: { experts: 2, width: 4, shared: 0 }, train: { tokens: 1k, distill: { teacher: hash } } }
`;

  it('finds a teacher as a name of a stage, and says where a split comes from', () => {
    const outline = outlineOf(text);
    const teacher = nameAt(outline, text.indexOf('teacher: h') + 'teacher: h'.length);
    assert.equal(placesOf(outline, teacher!).length, 2);
    const origins = outline.stages.map(originOf);
    assert.deepEqual(origins, ['', 'split of seed', 'split of seed', 'split of narrow']);
  });

  it('offers dense stages for a split, and all but itself for a teacher', () => {
    const offered = (place: string): string[] =>
      completionsAt(text, text.indexOf(place) + place.length)
        .filter(({ kind }) => kind === 'stage')
        .map(({ label }) => label);
    assert.deepEqual(offered('  s: { from: n'), ['seed', 'narrow']);
    assert.deepEqual(offered('teacher: h'), ['seed', 'hash', 'narrow']);
  });
});
