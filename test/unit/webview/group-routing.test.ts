import assert from 'node:assert/strict';
import { type Points, type Router, type Run, type Stage, STEP_COLUMNS } from '../../../src/messages/contract';
import { readChoices } from '../../../webview/dashboard/choices';
import {
  chosenMixture,
  dataOf,
  expertsOf,
  groupText,
  layersOf,
  meanRouters,
  mixtures,
  pairMatrix,
  routersAt,
  routingSteps,
} from '../../../webview/dashboard/group-routing';
import { PointStore } from '../../../webview/shared/stage-data';

function router(layer: number, load: number[], more: Partial<Router> = {}): Router {
  const numbers = { entropy: load[0]!, maxViolation: 2 * load[0]!, deadExperts: load.filter((share) => !share).length };
  return { layer, router: 'ffn', load, meanGate: load.toReversed(), ...numbers, ...more };
}

/** A run with a dense stage and two seeds of a mixture for each of two swept values; of the second value one seed has begun. */
function source(choices: object = {}) {
  const names = ['seed', 'bam@seed=1,z=0', 'bam@seed=2,z=0', 'bam@seed=1,z=1', 'bam@seed=2,z=1'];
  const stages = names.map((name) => ({ name, experts: ['law', 'seed'] }) as unknown as Stage);
  const points = new PointStore();
  const columns = Object.fromEntries(STEP_COLUMNS.map((column) => [column, new Float64Array()])) as Points['steps'];
  names.slice(1, 4).forEach((stage, i) => {
    const routing = [i, 10].map((step) => ({ step, domain: 'law', routers: [router(0, [i / 2, 1 - i / 2])] }));
    points.add({ type: 'points', run: 'r', stage, isFirst: true, steps: columns, evaluations: [], routing });
  });
  return { run: { id: 'r', stages } as unknown as Run, points, choices: readChoices(choices) };
}

describe('the routing of stages that differ in their seed only', () => {
  it('is one choice for each swept value, or every stage by itself', () => {
    const labels = (choices: object): string[] => mixtures(source(choices)).map(({ label }) => label);
    assert.deepEqual(labels({}), ['bam@z=0', 'bam@z=1']);
    assert.deepEqual(labels({ joinsSeeds: false }), ['bam@seed=1,z=0', 'bam@seed=2,z=0', 'bam@seed=1,z=1']);
    const chosen = (mixture: string, joinsSeeds = true) => chosenMixture(source({ mixture, joinsSeeds }))!.label;
    assert.equal(chosen('bam@z=1'), 'bam@z=1');
    assert.equal(chosen('bam@seed=1,z=1'), 'bam@z=1', 'chosen before seeds were joined');
    assert.equal(chosen('bam@z=1', false), 'bam@seed=1,z=1', 'its first seed');
    assert.equal(chosen('gone'), 'bam@z=0');
  });

  it('is the mean at a step of those that have it', () => {
    const from = source();
    const group = chosenMixture(from)!;
    const data = dataOf(from, group);
    assert.deepEqual(routingSteps(data, 'law'), [0, 1, 10]);
    assert.deepEqual(routersAt(data, 'law', 10)[0]!.load, [0.25, 0.75]);
    assert.deepEqual(routersAt(data, 'law', 1)[0]!.load, [0.5, 0.5], 'the second seed alone');
    assert.deepEqual(routersAt(data, 'code', 10), []);
    assert.equal(groupText(group), 'bam@z=0, mean over 2 seeds');
    assert.deepEqual(expertsOf(group, 'ffn', 3), ['law', 'seed', '2']);
    assert.deepEqual(expertsOf(group, 'adapter key', 2), ['0', '1'], 'experts of adapters have no names');
  });

  it('averages every number of a router, layer by layer', () => {
    const pairs = [0.1, 0.2, 0.3];
    const one = [router(0, [1, 0, 0]), router(1, [0.5, 0.5, 0], { coActivation: pairs, saturation: 0.5 })];
    const two = [router(1, [0, 0, 1], { coActivation: [0.3, 0.2, 0.1], saturation: 1 }), router(0, [0, 1, 0])];
    const [first, second] = meanRouters([{ routers: one }, { routers: two }]);
    assert.deepEqual(first, {
      ...{ layer: 0, router: 'ffn', load: [0.5, 0.5, 0], meanGate: [0, 0.5, 0.5] },
      ...{ entropy: 0.5, maxViolation: 1, deadExperts: 2 },
    });
    assert.deepEqual(second!.coActivation, [0.2, 0.2, 0.2]);
    assert.deepEqual([second!.saturation, second!.deadExperts], [0.75, 1.5]);
    assert.equal(meanRouters([{ routers: one }]), one);
    const gone = (removed: number[]) => ({ routers: [router(0, [0, 0, 1], { removed })] });
    assert.deepEqual(meanRouters([gone([0, 1]), gone([1])])[0]!.removed, [1], 'pruned in every seed');
    assert.equal('removed' in meanRouters([gone([0]), gone([1])])[0]!, false);
    assert.deepEqual(layersOf(one, 'ffn', readChoices({ layer: 1 })), { layers: [0, 1], layer: 1 });
    assert.deepEqual(layersOf(one, 'ffn', readChoices({ layer: 7 })), { layers: [0, 1], layer: 0 });
  });

  it('has pairs of experts as a square', () => {
    assert.deepEqual(pairMatrix([1, 2, 3, 4, 5, 6], 4), [
      [null, 1, 2, 3],
      [1, null, 4, 5],
      [2, 4, null, 6],
      [3, 5, 6, null],
    ]);
  });
});
