/**
 * What HOBBIT's parts give at the size of Mixtral-8x7B, on machines that are simulated: `npm run bench:offload-simulation [TRACE.json]`.
 * Routing is drawn, or that of a mixture of ours (bench:offload writes it), stretched to the size.
 */
import { readFileSync } from 'node:fs';
import { choosePolicy } from '../../src/offload/calibrate';
import { policyNamed, slotsOf } from '../../src/offload/policies';
import { simulate, type SimulatedRun, type SimulatedSystem } from '../../src/offload/simulate';
import type { RoutingTrace } from '../../src/offload/trace';
import { type Computer, MIXTRAL, ORIN, RTX_4090 } from './machines';
import { stretchedTrace, syntheticTrace } from './traces';

const THRESHOLDS = { t1: 0.6, t2: 0.9 };
const EVEN = { lru: 0.25, lfu: 0.25, lhu: 0.25, fld: 0.25 };
/** The paper's shares of foreseen first choices, one, two and three layers ahead. */
const FORESEEN = [0.96, 0.9, 0.9];
const PREFETCH = 2;

/** The systems that are compared, by name. The first is the one that others are compared with. */
function systems(trace: RoutingTrace, { expertBytes, budget: bytes }: Computer): [string, SimulatedSystem][] {
  const low = choosePolicy(calibration(trace), { budget: { bytes, expertBytes }, thresholds: THRESHOLDS });
  const high = choosePolicy(calibration(trace), { budget: { bytes, expertBytes } });
  const whole = { expertBytes, slots: slotsOf({ bytes, expertBytes, lowShare: 0 }) };
  const mixed = { expertBytes, slots: slotsOf({ bytes, expertBytes, lowShare: low.lowShare }), thresholds: THRESHOLDS };
  const lru = policyNamed('lru', EVEN);
  const perLayer = { ...lru, byLayer: true };
  console.log(
    `  policy weights ${JSON.stringify(low.weights)}, low part ${low.lowShare}; ${whole.slots.high} experts fit in high precision`,
  );
  return [
    ['LRU by layer + next layer ahead (as MoE-Offloading)', { ...whole, policy: perLayer, prefetch: 1 }],
    ['on demand', { ...whole, policy: policyNamed('on-demand', EVEN), prefetch: 0 }],
    ['LRU by layer', { ...whole, policy: perLayer, prefetch: 0 }],
    ['LRU of all layers', { ...whole, policy: lru, prefetch: 0 }],
    ['LFU of all texts', { ...whole, policy: policyNamed('lfu', EVEN), prefetch: 0 }],
    ['cache policy alone', { ...whole, policy: policyNamed('hobbit', high.weights), prefetch: 0 }],
    ['LRU of all layers + dynamic loading', { ...mixed, policy: lru, prefetch: 0 }],
    ['cache policy + dynamic loading', { ...mixed, policy: policyNamed('hobbit', low.weights), prefetch: 0 }],
    ['all of HOBBIT', { ...mixed, policy: policyNamed('hobbit', low.weights), prefetch: PREFETCH }],
    [
      'cache policy + prefetch in high precision',
      { ...whole, policy: policyNamed('hobbit', high.weights), prefetch: PREFETCH },
    ],
  ];
}

/** The first text is for choosing the policy. */
function calibration(trace: RoutingTrace): RoutingTrace {
  return { ...trace, sequences: trace.sequences.slice(0, 1) };
}

function measured(trace: RoutingTrace): RoutingTrace {
  return { ...trace, sequences: trace.sequences.slice(1) };
}

function report(name: string, trace: RoutingTrace, computer: Computer): void {
  console.log(`\n${computer.name}; ${name}`);
  const rows = systems(trace, computer).map(([title, system]) => {
    return { title, run: simulate(measured(trace), system, computer.machine) };
  });
  const perToken = ({ decodeSeconds, decodeTokens }: SimulatedRun): number => decodeSeconds / decodeTokens;
  console.log('| system | decode, tokens/s | times the first | prefill, s a text | hits, % | penalty | GB |');
  console.log('| --- | --: | --: | --: | --: | --: | --: |');
  for (const { title, run } of rows) {
    const { hits, foreseen, misses, skipped, penalty, bytes } = run.counts;
    const all = hits + foreseen + misses.high + misses.low + skipped;
    const cells = [
      (1 / perToken(run)).toFixed(2),
      (perToken(rows[0]!.run) / perToken(run)).toFixed(2),
      (run.prefillSeconds / (trace.sequences.length - 1)).toFixed(2),
      ((100 * (hits + foreseen)) / all).toFixed(1),
      penalty.toFixed(0),
      (bytes / 1e9).toFixed(0),
    ];
    console.log(`| ${title} | ${cells.join(' | ')} |`);
  }
}

function main(): void {
  const drawn = { foreseen: FORESEEN, sequences: 4, prompt: 16, tokens: 80, seed: 1 };
  const traces: [string, RoutingTrace][] = [
    ['drawn: no skew, no locality', syntheticTrace({ ...drawn, skew: 0, sticks: 0 })],
    ['drawn: skew 0.5 by text, 20 % of choices stay', syntheticTrace({ ...drawn, skew: 0.5, sticks: 0.2 })],
    ['drawn: skew 1 by text, 40 % of choices stay', syntheticTrace({ ...drawn, skew: 1, sticks: 0.4 })],
  ];
  const [file] = process.argv.slice(2);
  if (file) {
    const own = JSON.parse(readFileSync(file, 'utf8')) as RoutingTrace;
    if (own.experts !== MIXTRAL.experts) throw new Error(`The trace should be of ${MIXTRAL.experts} experts.`);
    const stretched = stretchedTrace({ ...own, sequences: own.sequences.slice(0, 6) }, FORESEEN[0]!, 1);
    traces.push([`our mixture of ${own.layers} layers, stretched`, stretched]);
  }
  for (const computer of [RTX_4090, ORIN]) for (const [name, trace] of traces) report(name, trace, computer);
}

main();
