import assert from 'node:assert/strict';
import type { RouterKind } from '../../../src/base/router-words';
import type { Routing } from '../../../src/events/event';
import type { ReportData, StageReport } from '../../../src/report/collect';
import { routerSection } from '../../../src/report/routers';

function router(kind: RouterKind, load: number[], more: Partial<Routing> = {}): Routing {
  const deadExperts = load.filter((share) => share === 0).length;
  return { layer: 0, router: kind, load, meanGate: load, entropy: 0.5, maxViolation: 0.2, deadExperts, ...more };
}

/** What report.html says of a stage's routers, by the title of the router. */
function tables(stage: Pick<StageReport, 'experts' | 'zeroComputation'>, routers: Routing[]): Map<string, string> {
  const routing = [{ step: 9, domain: 'law', routers }];
  const report = { ...stage, name: 'plus', curves: { steps: [], evaluations: [] }, routing } as unknown as StageReport;
  const data = { stages: [report], results: { domains: ['law'] } } as unknown as ReportData;
  const parts = routerSection(data).text.split('<h4>').slice(1);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('<span')).trim(), part]));
}

const heads = (text: string): string[] =>
  [...text.matchAll(/<th scope="col">([^]*?)<\/th>/g)].map(([, head]) => head!.replace(/<[^>]*>/g, ' ').trim());

describe('the routers in report.html', () => {
  const experts = ['seed', 'law', 'copy', 'zero'];
  const found = tables({ experts, zeroComputation: 2 }, [
    router('ffn', [0.5, 0, 0.25, 0.25], { removed: [1], ffnPerToken: 0.5 }),
    router('attention', [0.25, 0.75]),
    router('adapter key', [1, 0]),
  ]);

  it('have names, and say which experts have no FFN and which were pruned', () => {
    const ffn = found.get('FFN router')!;
    assert.deepEqual(heads(ffn).slice(0, 5), ['layer', 'seed', 'law', 'copy  no FFN', 'zero  no FFN']);
    assert.match(ffn, /<td title="pruned"><s>0\.00<\/s>/);
    assert.deepEqual(heads(found.get('Attention router')!).slice(0, 4), ['layer', 'seed', 'law', 'dead']);
  });

  it('have numbers for experts of adapters, none of which is dead', () => {
    const adapter = found.get('Adapter router, key')!;
    assert.deepEqual(heads(adapter).slice(0, 4), ['layer', '0', '1', 'dead']);
    assert.doesNotMatch(adapter, /class="dead"/);
    assert.match(adapter, /<td>-<\/td>/);
  });
});
