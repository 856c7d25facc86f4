import assert from 'node:assert/strict';
import { align, type Curve, nearest, roughness } from '../../../webview/shared/align';
import { logSplits } from '../../../webview/shared/axes';
import { joinCurves } from '../../../webview/shared/join-curves';
import { fileName, toCsv, toMarkdown } from '../../../webview/shared/export';
import { seriesNumbers } from '../../../webview/shared/series-numbers';

function curve(x: number[], y: number[]): Curve {
  return { x: Float64Array.from(x), y: Float64Array.from(y) };
}

function long(points: number, value: (i: number) => number): Curve {
  const x = Float64Array.from({ length: points }, (_, i) => i);
  return { x, y: x.map(value) };
}

const drawn = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);

describe('charts', () => {
  it('gives few points as they are, on a common axis', () => {
    const view = { min: 0, max: 10, isLog: false, width: 100 };
    const { x, y } = align([curve([0, 5, 10], [1, 2, 3]), curve([5, 7], [8, NaN])], view);
    assert.deepEqual(x, [0, 5, 7, 10]);
    assert.deepEqual(y, [
      [1, 2, null, 3],
      [null, 8, null, null],
    ]);
  });

  for (const isLog of [false, true]) {
    it(`thins a long curve to two values a pixel and keeps its peaks, ${isLog ? 'logarithmic' : 'linear'} axis`, () => {
      const spiky = long(100_001, (i) =>
        i === 4321 ? 99 : i === 60_001 ? -99 : i === 100_000 ? 50 : Math.sin(i / 100),
      );
      const { x, y } = align([spiky], { min: 1, max: 100_000, isLog, width: 500 });
      assert.ok(x.length <= 1002, `${x.length} places`);
      assert.ok(drawn(y[0]!).includes(99) && drawn(y[0]!).includes(-99));
      assert.deepEqual(
        x,
        [...x].sort((a, b) => a - b),
      );
      const peak = x[y[0]!.indexOf(99)]!;
      const pixel = isLog ? 4321 * (100_000 ** (1 / 500) - 1) : 200;
      assert.ok(Math.abs(peak - 4321) <= pixel, `the peak is at ${peak}`);
      assert.equal(drawn(y[0]!).at(-1), 50, 'the last point is there');
    });
  }

  it('draws lines on to the neighbours outside a zoomed view, and no others', () => {
    const view = { min: 400, max: 600, isLog: false, width: 20 };
    const { x, y } = align([long(1000, (i) => i), curve([0, 300, 900, 999], [5, 6, 7, 8])], view);
    assert.deepEqual([x[0], x.at(-1)], [300, 900]);
    assert.deepEqual(drawn(y[1]!), [6, 7]);
    assert.deepEqual([drawn(y[0]!)[0], drawn(y[0]!).at(-1)], [399, 601]);
  });

  it('passes over values that are no numbers', () => {
    const { y } = align([long(10_000, (i) => (i % 3 ? NaN : i % 2 ? Infinity : 1))], {
      min: 0,
      max: 9999,
      isLog: false,
      width: 50,
    });
    assert.deepEqual([...new Set(drawn(y[0]!))], [1]);
  });

  it('finds the nearest point', () => {
    const one = curve([0, 10, 20], [1, 2, 3]);
    assert.deepEqual(
      [-5, 4, 6, 19, 99].map((x) => nearest(one, x)),
      [0, 0, 1, 2, 2],
    );
    assert.equal(nearest(curve([], []), 1), -1);
  });

  it('tells noise from a curve', () => {
    assert.equal(roughness([5, null, 4, 2]), 1);
    assert.ok(roughness(Array.from({ length: 200 }, (_, i) => i % 2)) > 100);
    assert.equal(roughness([3, 3]), 0);
  });

  it('puts round numbers beside a logarithmic axis', () => {
    assert.deepEqual(logSplits(1, 1000), [1, 10, 100, 1000]);
    assert.deepEqual(logSplits(4, 60), [5, 10, 20, 50]);
    const narrow = logSplits(6.1, 6.4);
    assert.ok(narrow.length >= 3 && narrow.every((value) => value >= 6.09 && value <= 6.41), String(narrow));
    assert.ok(logSplits(1e-3, 1e12).length <= 8);
  });
});

describe('numbers of charts as files', () => {
  it('has a row for each x, in full precision', () => {
    const numbers = seriesNumbers('steps', [
      { label: 'bam', ...curve([1, 3], [0.1 + 0.2, NaN]) },
      { label: 'btx', ...curve([2, 3], [5, 6]) },
    ]);
    assert.equal(toCsv(numbers), 'steps,bam,btx\r\n1,0.30000000000000004,\r\n2,,5\r\n3,,6\r\n');
  });

  it('quotes what would break a table, and disarms formulas', () => {
    const numbers = {
      header: ['stage', 'note'],
      rows: [
        ['a,b', 'say "hi"\nthere'],
        ['=1+1', null],
      ],
    };
    assert.equal(toCsv(numbers), 'stage,note\r\n"a,b","say ""hi""\nthere"\r\n\'=1+1,\r\n');
    assert.equal(
      toMarkdown({ header: ['a|b', 'c'], rows: [['<b>', 1]] }),
      '| a\\|b | c |\n| --- | ---: |\n| &lt;b> | 1 |\n',
    );
  });

  it('names files so that every file system takes them', () => {
    assert.equal(fileName('bam, held-out perplexity', 'csv'), 'bam-held-out-perplexity.csv');
    assert.equal(fileName('../../etc/passwd', 'png'), 'etc-passwd.png');
    assert.equal(fileName('???', 'png'), 'chart.png');
  });
});

describe('the curves of several seeds', () => {
  const seed = (steps: number[], y: number[], x = steps) => ({ steps, ...curve(x, y) });

  it('become their mean, lowest and highest at every step that some have reached', () => {
    const joined = joinCurves([seed([1, 2, 3], [1, 2, 3]), seed([1, 2], [3, NaN]), seed([2, 4], [8, 9])]);
    assert.deepEqual([...joined.x], [1, 2, 3]);
    assert.deepEqual([...joined.y], [2, 5, 3]);
    assert.deepEqual([...joined.low], [1, 2, 3]);
    assert.deepEqual([...joined.high], [3, 8, 3]);
  });

  it('stand at the mean of their times, and have no value where none has a number', () => {
    const joined = joinCurves([seed([1, 2], [1, NaN], [0, 10]), seed([1, 2], [1, Infinity], [0, 20])]);
    assert.deepEqual([...joined.x], [0, 15]);
    assert.ok(Number.isNaN(joined.y[1]));
  });

  it('are written to a file with their edges', () => {
    const { x, y, low, high } = joinCurves([seed([1], [1]), seed([1], [3])]);
    const numbers = seriesNumbers('steps', [{ label: 'bam', x, y, band: { low, high } }]);
    assert.deepEqual(numbers, { header: ['steps', 'bam', 'bam low', 'bam high'], rows: [[1, 2, 1, 3]] });
  });
});
