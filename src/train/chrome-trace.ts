import type { TimedNode } from '../engine/graph/clock';

/** One bar of a trace (Trace Event Format, complete events); times in microseconds. */
interface TraceEvent {
  ph: 'X';
  name: string;
  cat: string;
  ts: number;
  dur: number;
  pid: 1;
  tid: 1;
  args: Record<string, string | number>;
}

/** The part of a step that a node belongs to: what its name says before the operation's, e.g. `backward/ffn0`; else the optimizer. */
function partOf({ node }: TimedNode): string {
  const end = node.name.lastIndexOf('/');
  return end < 0 ? 'optimizer' : node.name.slice(0, end);
}

/** The operations of a step as a trace that Chrome, Perfetto and VS Code open: a bar for each, within bars for the parts of the step. */
export function chromeTrace(nodes: readonly TimedNode[]): { displayTimeUnit: 'ms'; traceEvents: TraceEvent[] } {
  const event = (name: string, cat: string, start: number, end: number, args: TraceEvent['args']): TraceEvent => ({
    ...{ ph: 'X', name, cat, ts: start * 1e6, dur: (end - start) * 1e6, pid: 1, tid: 1, args },
  });
  const parts: { name: string; start: number; end: number; operations: number }[] = [];
  for (const timed of nodes) {
    const name = partOf(timed);
    const last = parts.at(-1);
    if (last?.name === name) Object.assign(last, { end: timed.end, operations: last.operations + 1 });
    else parts.push({ name, start: timed.start, end: timed.end, operations: 1 });
  }
  const bars = parts.map(({ name, start, end, operations }) => event(name, 'part', start, end, { operations }));
  const operations = nodes.map(({ node, start, end }) =>
    event(node.operation, 'operation', start, end, { node: node.name, inputs: node.inputs.filter(isData).join(', ') }),
  );
  return { displayTimeUnit: 'ms', traceEvents: [...bars, ...operations] };
}

function isData(input: string): boolean {
  return !input.startsWith('^');
}

/** The share of each part in a step's time, all layers together, largest first: `{ part: 'backward/ffn', share: 0.3 }`. */
export function partShares(nodes: readonly TimedNode[]): { part: string; share: number }[] {
  const total = nodes.at(-1)!.end - nodes[0]!.start;
  const seconds = new Map<string, number>();
  for (const timed of nodes) {
    const part = partOf(timed).replace(/\d+$/, '');
    seconds.set(part, (seconds.get(part) ?? 0) + timed.end - timed.start);
  }
  const shares = [...seconds].map(([part, sum]) => ({ part, share: sum / total }));
  return shares.sort((a, b) => b.share - a.share);
}
