import * as tf from '@tensorflow/tfjs';
import type { CachePolicy, ExpertCopy, Part } from '../offload/cache';
import { type Demand, demandsOf, gatesWithout, type Thresholds } from '../offload/loading';
import type { ExpertFolder } from '../offload/open-folder';
import { slotsOf } from '../offload/policies';
import type { Precision } from '../base/offload-words';
import { emptyCounts, ExpertScheduler, type OffloadCounts } from '../offload/scheduler';
import type { LayerRouting } from '../offload/trace';
import type { ExpertSource, RoutedLayer } from './experts';
import { routingOf } from './recorded-experts';
import { memoryBytes, type StoredExpert, storedExpert } from './stored-expert';

export interface OffloadOptions {
  /** Bytes that experts may take in memory, in their precision; one that computes is also there in float32. */
  budget: number;
  policy: CachePolicy;
  high: Precision;
  /** With thresholds, what less important experts are loaded in, and its share of the budget. */
  low?: Precision | undefined;
  lowShare: number;
  thresholds?: Thresholds | undefined;
  /** How many layers ahead experts are loaded; 0 for none. */
  prefetch: number;
  /** Bytes a second of an emulated link: loads then take so long, one after the other. Absent: what reading takes. */
  link?: number | undefined;
}

/** The layer that computes. */
interface CurrentLayer {
  layer: number;
  demands: Demand[];
  /** The experts that are used; the others are left out. */
  used: Set<number>;
  /** By expert, what the rows of its output are multiplied with where a token's other experts were left out. */
  factors: Map<number, number[]>;
  asked: Map<number, { rows: tf.Tensor2D; resolve: (output: tf.Tensor2D) => void; reject: (error: unknown) => void }>;
}

/**
 * FFN experts that are on the disk and come into memory when they are needed, in one of two precisions, within a budget (HOBBIT, arXiv 2411.01433). Reads
 * go on while others compute. One text at a time.
 */
export class OffloadedExperts implements ExpertSource {
  private readonly scheduler: ExpertScheduler;
  /** Bytes on their way, or there and not yet used. */
  private readonly reads = new Map<string, Promise<Buffer>>();
  private readonly stored = new Map<string, StoredExpert>();
  private current: CurrentLayer | undefined;

  /** Throws a `BamError` (`budget`) where the budget does not hold one expert of each precision, and as `ExpertFolder.layout` does. */
  constructor(
    private readonly folder: ExpertFolder,
    private readonly options: OffloadOptions,
  ) {
    const { budget, lowShare, policy, thresholds, prefetch, link = Infinity } = options;
    const bytesOf = (of: (layout: ReturnType<ExpertFolder['layout']>) => number): Record<Part, number> => ({
      high: of(folder.layout(this.precision('high'))),
      low: of(folder.layout(this.precision('low'))),
    });
    const slots = slotsOf({ bytes: budget, expertBytes: bytesOf(memoryBytes), lowShare: thresholds ? lowShare : 0 });
    this.scheduler = new ExpertScheduler(
      {
        ...{ layers: folder.architecture.layers, slots, policy, thresholds, prefetch, bandwidth: link },
        expertBytes: bytesOf(({ bytes }) => bytes),
      },
      { onLoad: (copy) => this.read(copy), onEvict: (copy) => this.forget(copy) },
    );
  }

  /** What was counted since the last call. */
  takeCounts(): OffloadCounts {
    const { counts } = this.scheduler;
    this.scheduler.counts = emptyCounts();
    return counts;
  }

  async prepare({ layer, position, chosen, lookAhead }: RoutedLayer): Promise<void> {
    const { prefetch, thresholds } = this.options;
    if (layer === 0) {
      if (position === 0) this.scheduler.startSequence();
      this.scheduler.startTokens(chosen.length);
    }
    const tokens = chosen.map(routingOf);
    const demands = demandsOf(tokens, thresholds);
    const used = new Set(this.scheduler.begin(layer, demands, now()).map(({ expert }) => expert));
    this.current = { layer, demands, used, factors: factorsOf(tokens, used), asked: new Map() };
    if (!prefetch) return;
    // A prompt wants nearly all experts of a layer: what its last token wants is loaded ahead.
    const predictions = (await lookAhead(prefetch)).map((ahead) => routingOf(ahead.at(-1)!));
    this.scheduler.predict(predictions, now());
  }

  ffn(_layer: number, expert: number, rows: tf.Tensor2D): Promise<tf.Tensor2D> {
    const { used, asked } = this.current!;
    if (!used.has(expert)) return Promise.resolve(tf.zerosLike(rows));
    const output = new Promise<tf.Tensor2D>((resolve, reject) => asked.set(expert, { rows, resolve, reject }));
    // When all were asked for.
    if (asked.size === 1) queueMicrotask(() => void this.computeLayer());
    return output;
  }

  dispose(): void {
    for (const expert of this.stored.values()) expert.dispose();
    this.stored.clear();
    this.reads.clear();
  }

  /** Computes the experts of the layer in the order in which they are there. */
  private async computeLayer(): Promise<void> {
    const { asked, demands } = this.current!;
    try {
      for (;;) {
        const asking = now();
        const next = this.scheduler.next(asking);
        if (!next) return;
        const { copy, ready } = next;
        if (ready > asking) {
          await until(ready);
          continue;
        }
        const expert = await this.expertOf(copy);
        const { rows, resolve } = asked.get(copy.expert)!;
        resolve(this.compute(copy, expert, rows));
        this.scheduler.done(copy, demands.find(({ expert: one }) => one === copy.expert)!.uses, now());
      }
    } catch (error) {
      for (const { reject } of asked.values()) reject(error);
    }
  }

  private compute({ expert }: ExpertCopy, stored: StoredExpert, rows: tf.Tensor2D): tf.Tensor2D {
    const factors = this.current!.factors.get(expert);
    return tf.tidy(() => {
      const output = stored.ffn(rows);
      return factors ? tf.mul(output, tf.tensor2d(factors, [factors.length, 1])) : output;
    });
  }

  private precision(part: Part): Precision {
    const { high, low = high } = this.options;
    return part === 'high' ? high : low;
  }

  private read(copy: ExpertCopy): void {
    const bytes = this.folder.read(copy.layer, copy.expert, this.precision(copy.part));
    // Whoever uses the expert is told; one that was predicted may never be used.
    bytes.catch(() => undefined);
    this.reads.set(nameOf(copy), bytes);
  }

  private async expertOf(copy: ExpertCopy): Promise<StoredExpert> {
    const name = nameOf(copy);
    const bytes = await this.reads.get(name);
    if (bytes) {
      this.reads.delete(name);
      this.stored.set(name, storedExpert(this.folder.layout(this.precision(copy.part)), bytes));
    }
    return this.stored.get(name)!;
  }

  private forget(copy: ExpertCopy): void {
    const name = nameOf(copy);
    this.reads.delete(name);
    this.stored.get(name)?.dispose();
    this.stored.delete(name);
  }
}

/** By expert, one factor for each of its tokens, if one of them is not 1. */
function factorsOf(tokens: readonly LayerRouting[], used: ReadonlySet<number>): Map<number, number[]> {
  const factors = new Map<number, number[]>();
  if (tokens.every(({ experts }) => experts.every((expert) => used.has(expert)))) return factors;
  for (const { experts, gates } of tokens) {
    const kept = gatesWithout(gates, (i) => !used.has(experts[i]!));
    experts.forEach((expert, i) => {
      const known = factors.get(expert) ?? [];
      factors.set(expert, [...known, gates[i]! > 0 ? kept[i]! / gates[i]! : 0]);
    });
  }
  return factors;
}

function nameOf({ layer, expert, part }: ExpertCopy): string {
  return `${part} ${layer}.${expert}`;
}

/** Seconds on the clock that only goes forward. */
function now(): number {
  return performance.now() / 1000;
}

/** Waits for a time. Timers come up to a millisecond late: the last of it passes in turns of the event loop. */
async function until(time: number): Promise<void> {
  const milliseconds = 1000 * (time - now());
  if (milliseconds > 3) await new Promise((resolve) => setTimeout(resolve, milliseconds - 2));
  while (now() < time) await new Promise((resolve) => setImmediate(resolve));
}
