// `npm run bench:train -- --python PYTHON`: our training step against a plain PyTorch one of the same model (bench/peer/train.py), by
// turns, each while the other idles; medians over rounds. PYTHON is an interpreter with torch, as bench/peer/README.md says.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { trainingFlops } from '../../src/architecture/counts';
import { TRAINER_ENVIRONMENT } from '../../src/launch/trainer';
import { textTable } from '../../src/base/text-table';
import { benchArchitecture, KINDS, SIZES } from './models';
import { Side } from './side';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    sizes: { type: 'string', default: Object.keys(SIZES).join() },
    kinds: { type: 'string', default: Object.keys(KINDS).join() },
    forms: { type: 'string', default: 'graph' },
    rounds: { type: 'string', default: '5' },
    /** How long a turn takes, about. */
    seconds: { type: 'string', default: '2' },
    /** Steps that every side takes after the rounds, to see whether its memory grows; 0 for none. */
    more: { type: 'string', default: '0' },
    /** Also measures torch.compile. */
    compile: { type: 'boolean', default: false },
  },
});

const PEAK_SIZE = 2048;

/** Our side, as scripts/build-bench.mjs bundles it. */
const OURS = join(__dirname, '..', '..', 'node_modules', '.cache', 'bench-train.js');

interface Measured {
  /** Median over the rounds of a round's median step, in seconds. */
  step: number;
  first: number;
  peakBytes: number;
  /** After the rounds, without pages of files: those of libraries, which processes share, are in the peak. */
  anonymousBytes: number;
  /** After `--more` steps beyond the rounds. */
  laterPeakBytes: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

function startSide(name: string): { side: Side; order: object } {
  if (name.startsWith('torch')) {
    const side = Side.start(options.python, [join(__dirname, '..', 'peer', 'train.py')]);
    return { side, order: { compile: name === 'torch.compile' } };
  }
  return { side: Side.start(process.execPath, [OURS], TRAINER_ENVIRONMENT), order: { form: name } };
}

/** Measures one model on every side. */
async function measure(size: string, kind: string, names: readonly string[]): Promise<Map<string, Measured>> {
  const sides = new Map<string, { side: Side; first: number; rounds: number[]; turn: number }>();
  for (const name of names) {
    const { side, order } = startSide(name);
    const start = performance.now();
    await side.ask({ ...order, architecture: benchArchitecture(size, kind), batch: SIZES[size]!.batch });
    await side.ask({ steps: 1 });
    const first = (performance.now() - start) / 1000;
    const { seconds } = await side.ask<{ seconds: number[] }>({ steps: 3 });
    const turn = Math.max(3, Math.round(Number(options.seconds) / median(seconds)));
    sides.set(name, { side, first, rounds: [], turn });
  }
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const { side, rounds, turn } of sides.values()) {
      // The first step of a turn finds the cores and caches cold.
      const { seconds } = await side.ask<{ seconds: number[] }>({ steps: turn + 1 });
      rounds.push(median(seconds.slice(1)));
    }
  }
  const found = new Map<string, Measured>();
  for (const [name, { side, first, rounds }] of sides) {
    const memory = await side.ask<Pick<Measured, 'peakBytes' | 'anonymousBytes'>>({ memory: true });
    await side.ask({ steps: Number(options.more) });
    const { peakBytes: laterPeakBytes } = await side.ask<{ peakBytes: number }>({ memory: true });
    found.set(name, { step: median(rounds), first, ...memory, laterPeakBytes });
    side.end();
  }
  return found;
}

async function measurePeak(): Promise<number> {
  const side = Side.start(options.python, [join(__dirname, '..', 'peer', 'train.py')]);
  const { flops } = await side.ask<{ flops: number }>({ peak: PEAK_SIZE });
  side.end();
  return flops;
}

/** A line for each side: tokens a second against PyTorch's, share of the peak, seconds to the first step, memory. */
function lines(size: string, kind: string, found: Map<string, Measured>, peak: number): string[][] {
  const architecture = benchArchitecture(size, kind);
  const tokens = SIZES[size]!.batch * architecture.context;
  const torch = found.get('torch')!;
  return [...found].map(([name, { step, first, peakBytes, anonymousBytes, laterPeakBytes }]) => [
    size,
    kind,
    name,
    (step * 1000).toFixed(1),
    (tokens / step).toFixed(0),
    (torch.step / step).toFixed(2),
    `${((100 * tokens * trainingFlops(architecture)) / step / peak).toFixed(0)} %`,
    first.toFixed(1),
    (peakBytes / 1e6).toFixed(0),
    (peakBytes / torch.peakBytes).toFixed(2),
    (anonymousBytes / 1e6).toFixed(0),
    (anonymousBytes / torch.anonymousBytes).toFixed(2),
    (laterPeakBytes / 1e6).toFixed(0),
  ]);
}

async function main(): Promise<void> {
  const peak = await measurePeak();
  console.log(`Peak of matrix products: ${(peak / 1e9).toFixed(0)} GFLOP/s.`);
  const names = [...options.forms.split(','), 'torch', ...(options.compile ? ['torch.compile'] : [])];
  const head = [
    'size',
    'kind',
    'side',
    'ms/step',
    'tokens/s',
    'x torch',
    'of peak',
    'first s',
    'MB',
    'x torch',
    'MB anonymous',
    'x torch',
    'MB later',
  ];
  const rows: string[][] = [];
  for (const size of options.sizes.split(',')) {
    for (const kind of options.kinds.split(',')) {
      const found = lines(size, kind, await measure(size, kind, names), peak);
      for (const line of found) console.log(line.join('  '));
      rows.push(...found);
    }
  }
  console.log(textTable(head, rows));
}

void main();
