import assert from 'node:assert/strict';
import { checkpointName, listCheckpoints, loadCheckpoint } from '../../src/checkpoint/checkpoint';
import type { EventOf } from '../../src/events/event';
import { join } from 'node:path';
import { assertSucceeded, TestWorkspace, TINY_DATA } from './support';

const METHODS = `${TINY_DATA}stages:
  seed: { train: { mix: { prose: 1 }, tokens: 7680, batch: 4 } }
  sums: { from: seed, train: { like: seed, mix: { sums: 1 }, tokens: 2560 } }
  extra: { upcycle: { method: bam, experts: [seed, sums, seed] } }
  sparse: { upcycle: { method: sparse, experts: [seed], copies: 3, ffnTopK: 2, gate: topk-softmax } }
  kept: { upcycle: { method: drop, experts: [seed], copies: 3, drop: { ratio: 0 }, weightScaling: true, router: { init: zero } } }
  drop: { upcycle: { method: drop, experts: [seed], copies: 3 } }
  scratch: { upcycle: { method: scratch, copies: 3 }, train: { like: seed, tokens: 640 } }
  known: { upcycle: { method: btx, experts: [seed, sums], router: { init: centroid } } }
  frozen: { from: drop, train: { like: seed, tokens: 1536, freeze: [experts, norms] } }
`;

describe('every method of upcycling', function () {
  this.timeout(180_000);
  let place: TestWorkspace;
  const finished = new Map<string, EventOf<'stage.finished'>>();

  before(async () => {
    place = new TestWorkspace(undefined, METHODS);
    assertSucceeded(await place.bam('run', place.file));
    for (const event of place.events()) if (event.type === 'stage.finished') finished.set(event.stage, event);
  });
  after(() => place.remove());

  const loss = (stage: string): number => finished.get(stage)!.evaluation.domains.prose!.loss;
  const note = (stage: string): string | undefined => {
    const notes = place.events().filter((event) => event.type === 'note' && event.stage === stage);
    return notes.map((event) => (event.type === 'note' ? event.message : '')).find((text) => text.startsWith('Stage'));
  };
  const parameters = (stage: string): ReadonlyMap<string, Float32Array> => {
    const folder = place.checkpoints(stage);
    return loadCheckpoint(join(folder, checkpointName(listCheckpoints(folder).at(-1)!)), 'model').parameters;
  };

  it('starts at the loss of the dense model where nothing was changed and the gates make up for the copies', () => {
    for (const stage of ['sparse', 'kept']) {
      assert.ok(Math.abs(loss(stage) - loss('seed')) < 1e-4, `${stage}: ${loss(stage)}, seed: ${loss('seed')}`);
    }
    assert.ok(Math.abs(loss('drop') - loss('seed')) > 1e-3, 'a half that is new shows');
  });

  it('says in the log what it did', () => {
    assert.match(note('extra')!, /3 experts: FFN, .* copied from 2 stages; all else averaged; routers new/);
    assert.match(note('sparse')!, /3 experts: FFN copied from seed; all else as there; routers new/);
    assert.match(note('drop')!, /0\.5 of the hidden units of each expert drawn anew/);
    assert.match(note('scratch')!, /random parameters/);
    assert.match(note('known')!, /routers from the mean inputs of the domains/);
  });

  it('sends a domain to its expert where routers know the domains', () => {
    const { routing } = finished.get('known')!.evaluation;
    for (const [domain, expert] of [
      ['prose', 0],
      ['sums', 1],
    ] as const) {
      const loads = routing[domain]!.map(({ load }) => load[expert]!);
      assert.ok(
        loads.every((load) => load > 0.6),
        `${domain}: ${loads}`,
      );
    }
  });

  it('leaves frozen parts alone', () => {
    const [before, after] = [parameters('drop'), parameters('frozen')];
    for (const [name, values] of before) {
      const stays = name.includes('.ffn.experts.') || name.endsWith('norm.weight');
      assert.equal(String(after.get(name)) === String(values), stays, name);
    }
  });

  it('plans what each stage starts from', async () => {
    const planned = await place.bam('plan', place.file);
    assertSucceeded(planned);
    assert.match(planned.stdout, /^extra +seed x 2 \+ sums /m);
    assert.match(planned.stdout, /^sparse +seed x 3 /m);
    assert.match(planned.stdout, /^scratch +- /m);
  });
});
