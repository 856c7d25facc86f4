import { formatMeasure } from '../base/format';
import { columnNames, ROUTER_KINDS, ROUTER_WORDS, type RouterKind } from '../base/router-words';
import { meanOf } from '../base/statistics';
import { textTable } from '../base/text-table';
import type { RoutingPoint } from '../store/curves';

/** What the routers of every stage did in its last evaluation, by domain. */
export type LastRouting = Readonly<Record<string, readonly RoutingPoint[]>>;

/** For a terminal: the load of every expert by router and domain, mean of the layers. Empty where no stage has routers. */
export function routersAsText(routing: LastRouting, experts: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(routing)
    .map(([stage, points]) => {
      const heading = `Routers of ${stage}: load by expert on held-out text, mean of the layers.`;
      return [heading, ...loadTables(points, experts[stage] ?? [])].join('\n');
    })
    .join('\n\n');
}

/** A table for the routers that have the same experts. */
function loadTables(points: readonly RoutingPoint[], experts: readonly string[]): string[] {
  const tables = new Map<string, { names: string[]; rows: string[][] }>();
  for (const kind of ROUTER_KINDS) {
    for (const { domain, routers } of points) {
      const layers = routers.filter(({ router }) => router === kind);
      if (!layers.length) continue;
      const names = namesOf(kind, layers, experts);
      const loads = names.map((_, i) => meanOf(layers.map(({ load }) => load[i] ?? 0)).toFixed(3));
      const table = tables.get(names.join()) ?? { names, rows: [] };
      table.rows.push([ROUTER_WORDS[kind].title, domain ?? '-', ...loads]);
      tables.set(names.join(), table);
    }
  }
  return [...tables.values()].map(({ names, rows }) => textTable(['router', 'domain', ...names], rows));
}

function namesOf(kind: RouterKind, layers: RoutingPoint['routers'], experts: readonly string[]): string[] {
  return columnNames(kind, experts, layers[0]!.load.length).map((name, i) => {
    return layers.every(({ removed }) => removed?.includes(i)) ? `${name} (pruned)` : name;
  });
}

/** FFN experts that a token was sent to, mean of the layers, where there are zero-computation experts too. */
export function ffnsPerTokenAsText(routing: LastRouting): string | undefined {
  const rows = Object.entries(routing).flatMap(([stage, points]) =>
    points.flatMap(({ domain, routers }) => {
      const layers = routers.flatMap(({ ffnPerToken }) => ffnPerToken ?? []);
      return layers.length ? [[stage, domain ?? '-', formatMeasure(meanOf(layers))]] : [];
    }),
  );
  return rows.length ? textTable(['stage', 'domain', 'FFN experts a token'], rows) : undefined;
}
