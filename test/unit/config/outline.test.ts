import assert from 'node:assert/strict';
import { foldsOf, outlineOf, type OutlineSymbol, symbolsOf } from '../../../src/config/outline';
import { EXPERIMENT } from './marked';

function lines(symbols: OutlineSymbol[], indent = ''): string[] {
  return symbols.flatMap(({ name, detail, children }) => [
    `${indent}${name}${detail && ` (${detail})`}`,
    ...lines(children, `${indent}  `),
  ]);
}

describe('outline of an experiment file', () => {
  it('lists domains and stages, and where each stage comes from', () => {
    assert.deepEqual(lines(symbolsOf(outlineOf(EXPERIMENT))), [
      'model',
      'domains',
      '  law',
      '  math',
      'stages',
      '  seed',
      '  law (from seed)',
      '  both (bam of seed, law)',
      '  blocks (btx of seed, law)',
      '  more (from both)',
    ]);
  });

  it('says of a mixture without parents how it is made', () => {
    const text = 'stages:\n  a: { upcycle: { method: scratch, copies: 4 } }\n  b: { upcycle: { experts: [c, c] } }';
    assert.deepEqual(lines(symbolsOf(outlineOf(text))), ['stages', '  a (scratch)', '  b (upcycle of c, c)']);
  });

  it('has the place of each, from its key to the end of what belongs to it', () => {
    const { stages, sections } = outlineOf(EXPERIMENT);
    const text = ({ start, end }: { start: number; end: number }) => EXPERIMENT.slice(start, end);
    const law = stages.find(({ name }) => name === 'law')!;
    assert.equal(text(law.key), 'law');
    assert.ok(text(law.whole).startsWith('law:\n    from') && text(law.whole).endsWith('math: 0.1'));
    assert.equal(text(sections[1]!.whole), 'model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }');
  });

  it('holds a child within its parent and a key within its whole, also in a broken file', () => {
    const holds = ({ whole, key, children }: OutlineSymbol): void => {
      assert.ok(whole.start <= key.start && key.end <= whole.end);
      for (const child of children) {
        assert.ok(whole.start <= child.whole.start && child.whole.end <= whole.end);
        holds(child);
      }
    };
    for (let end = 0; end <= EXPERIMENT.length; end += 2) symbolsOf(outlineOf(EXPERIMENT.slice(0, end))).forEach(holds);
  });

  it('shows what can be read of a broken file', () => {
    const broken =
      'domains: { a: { files: x }\nstages:\n  one: { from: \n  two: { upcycle: { method: bam, experts: [one';
    const outline = outlineOf(broken);
    assert.equal(outline.complete, false);
    assert.deepEqual(
      outline.stages.map(({ name }) => name),
      ['one', 'two'],
    );
    assert.deepEqual(
      symbolsOf(outlineOf('stages: 5\ndomains:\n')).map(({ children }) => children),
      [[], []],
    );
    assert.deepEqual(symbolsOf(outlineOf('['.repeat(5000))), []);
  });

  it('folds groups that take more than one line', () => {
    const folds = foldsOf(EXPERIMENT).map(({ start, end }) => {
      const line = (offset: number) => EXPERIMENT.slice(0, offset).split('\n').length;
      return `${line(start)}-${line(end)}`;
    });
    assert.deepEqual(folds, [
      '3-7',
      '5-7',
      '6-7',
      '8-26',
      '10-16',
      '12-16',
      '14-16',
      '17-18',
      '19-25',
      '20-24',
      '22-24',
    ]);
  });
});
