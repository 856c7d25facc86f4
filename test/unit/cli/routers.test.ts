import assert from 'node:assert/strict';
import { reportText } from '../../../src/cli/prune';
import { ffnsPerTokenAsText, routersAsText } from '../../../src/cli/routers';
import type { Routing } from '../../../src/events/event';

function router(layer: number, kind: Routing['router'], load: number[], more: Partial<Routing> = {}): Routing {
  const numbers = { meanGate: load, entropy: 0, maxViolation: 0, deadExperts: 0 };
  return { layer, router: kind, load, ...numbers, ...more };
}

describe('the routers of a run in a terminal', () => {
  const routers = [
    router(0, 'ffn', [0.5, 0.1, 0.4], { removed: [1], ffnPerToken: 0.6 }),
    router(1, 'ffn', [0.7, 0.2, 0.1], { removed: [1], ffnPerToken: 0.8 }),
    router(0, 'adapter key', [0.25, 0.75]),
  ];
  const routing = { more: [{ step: 9, domain: 'law', routers }] };

  it('have the load of each expert by its name, those of adapters by number', () => {
    const lines = routersAsText(routing, { more: ['seed', 'law', 'copy'] }).split('\n');
    assert.match(lines[0]!, /^Routers of more/);
    assert.match(lines[1]!, /^router +domain +seed +law \(pruned\) +copy$/);
    assert.match(lines[3]!, /^FFN router +law +0\.600 +0\.150 +0\.250$/);
    assert.match(lines[4]!, /^router +domain +0 +1$/);
    assert.match(lines[6]!, /^Adapter router, key +law +0\.250 +0\.750$/);
    assert.equal(routersAsText({}, {}), '');
  });

  it('have the FFN experts of a token, mean of the layers', () => {
    assert.match(ffnsPerTokenAsText(routing)!, /more +law +0\.7000?$/);
  });

  it('have names in what pruning would do', () => {
    const trial = { layer: 0, expert: 1, usage: 0.25, perplexity: 6 };
    const report = { stage: 'more', routing: 'zero' as const, perplexity: 5, experts: [trial] };
    assert.match(reportText(report, ['seed', 'law']), /layer +expert +name +usage +perplexity[^]*0 +1 +law +0\.250/);
    assert.doesNotMatch(reportText(report), /name/);
  });
});
