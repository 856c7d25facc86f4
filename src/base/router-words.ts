const GATES = 'share of the tokens whose largest gate is the expert’s';

/** Routers of adapters: all experts are used. */
function adapterWords(of: string, counted = '') {
  return { title: `Adapter router, ${of}`, load: `${GATES}${counted}` };
}

/** The names of routers, and what their load is, in reports and panels. */
export const ROUTER_WORDS = {
  ffn: {
    title: 'FFN router',
    load: 'share of the tokens sent to the expert, or where all are used, of those whose largest gate is the expert’s',
  },
  attention: {
    title: 'Attention router',
    load: `${GATES}, or where some are chosen, of those sent to it`,
  },
  'adapter query': adapterWords('query'),
  'adapter key': adapterWords('key', '; with MoV every head counts as a token'),
  'adapter value': adapterWords('value', '; with MoV every head counts as a token'),
  'adapter output': adapterWords('attention output'),
  'adapter gate': adapterWords('FFN gate'),
  'adapter up': adapterWords('FFN up'),
  'adapter hidden': adapterWords('FFN activation'),
  'adapter down': adapterWords('FFN down'),
  'adapter ffn': adapterWords('whole FFN'),
} as const;

/** The routers of a layer by what they route: FFN experts, attention experts, or the experts of an adapter. */
export type RouterKind = keyof typeof ROUTER_WORDS;
export const ROUTER_KINDS = Object.keys(ROUTER_WORDS) as RouterKind[];

/** Whether a router is of an adapter, whose experts have no names. */
export function isAdapterRouter(router: RouterKind): boolean {
  return router.startsWith('adapter ');
}

/** The columns of a router by name, given the names of the mixture's experts: numbers from 0 where they have none, and for adapters. */
export function columnNames(router: RouterKind, experts: readonly string[], count: number): string[] {
  const names = isAdapterRouter(router) ? [] : experts;
  return Array.from({ length: count }, (_, i) => names[i] ?? String(i));
}

/** How many columns of a router, from the first, are not zero-computation experts, given how many of those a mixture has. */
export function computingColumns(router: RouterKind, columns: number, zeroComputation: number): number {
  return router === 'ffn' ? columns - zeroComputation : columns;
}
