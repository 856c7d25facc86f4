import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';

/** Mistakes of a file with this `launch`, without their places but for the path. */
function mistakesOf(launch: string): string[] {
  const { mistakes } = parseExperiment(`name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* } }
stages: { seed: { train: { tokens: 1k } } }
launch: ${launch}`);
  return mistakes.map((mistake) => formatDiagnostic('x', mistake).replace(/^x:\d+:\d+ /, ''));
}

describe('`launch` in an experiment file', () => {
  it('names GPUs, or slots of the CPU', () => {
    for (const right of [
      '{}',
      '{ slots: 2 }',
      '{ devices: auto }',
      '{ devices: auto, slots: 4 }',
      '{ devices: [0, 3] }',
    ])
      assert.deepEqual(mistakesOf(right), [], right);
  });

  it('has its mistakes told', () => {
    assert.match(mistakesOf('{ devices: all }')[0]!, /launch\.devices: expected `auto`, or a list of GPU numbers/);
    assert.match(mistakesOf('{ devices: [] }')[0]!, /launch\.devices/);
    assert.match(mistakesOf('{ devices: [0, -1] }')[0]!, /launch\.devices/);
    assert.match(mistakesOf('{ slots: 0 }')[0]!, /launch\.slots/);
    assert.match(mistakesOf('{ slots: 65 }')[0]!, /launch\.slots/);
    assert.deepEqual(mistakesOf('{ devices: [1, 0, 1] }'), ['launch.devices.2: expected every GPU once, found 1']);
    assert.match(mistakesOf('{ devices: [0], slots: 2 }')[0]!, /launch\.slots: expected `slots` only without a list/);
  });
});
