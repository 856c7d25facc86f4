import { type CachePolicy, ExpertCache, type ExpertCopy, type Part } from './cache';
import { SerialLink } from './link';
import type { Demand, Thresholds } from './loading';
import { planPrefetch } from './prefetch';
import type { LayerRouting } from './trace';

export interface SchedulerOptions {
  layers: number;
  /** How many experts of each precision memory holds. */
  slots: Record<Part, number>;
  expertBytes: Record<Part, number>;
  policy: CachePolicy;
  /** Without them every expert is loaded in high precision. */
  thresholds?: Thresholds | undefined;
  /** How many layers ahead experts are loaded; 0 for none. */
  prefetch: number;
  /** Bytes a second of the link; infinite where reads take what they take. */
  bandwidth: number;
}

/** What was counted. */
export interface OffloadCounts {
  /** Uses of experts that were in memory when their layer began. */
  hits: number;
  /** Uses of experts that were on their way then, since they were predicted. */
  foreseen: number;
  /** Uses of experts that had to be loaded, by precision. */
  misses: Record<Part, number>;
  /** Chosen experts that were not important enough to be loaded. */
  skipped: number;
  /** Loads of predicted experts. */
  prefetches: number;
  /** Bytes of all loads that began. */
  bytes: number;
  /** Misses, each by its bytes over those of an expert in high precision. */
  penalty: number;
}

/** An expert that a layer uses, and how it came. */
interface Use extends ExpertCopy {
  state: 'there' | 'loading' | 'postponed';
}

/** Is told what to do with memory. */
export interface SchedulerEvents {
  /** A load began to wait for the link. */
  onLoad?: (copy: ExpertCopy) => void;
  /** An expert gives its place up. */
  onEvict?: (copy: ExpertCopy) => void;
}

/**
 * Decides for every layer which experts are used, loaded, loaded ahead and given up, and keeps the time of a link that carries one after the other. Holds
 * no weights, and knows no clock: `now`, in seconds, is the caller's, and never goes back.
 *
 * A layer: `begin`, `predict`; then as long as `next` gives one, waiting until it is ready and asking again, or computing it and saying `done`.
 */
export class ExpertScheduler {
  counts: OffloadCounts = emptyCounts();
  private readonly cache: ExpertCache;
  private readonly link: SerialLink<ExpertCopy>;
  /** Loads that have not ended, by the name of their copy. */
  private readonly loading = new Map<string, ExpertCopy>();
  private uses: Use[] = [];
  private layer = 0;

  constructor(
    private readonly options: SchedulerOptions,
    private readonly events: SchedulerEvents = {},
  ) {
    const { layers, slots, policy, expertBytes, bandwidth } = options;
    this.cache = new ExpertCache({ layers, slots, policy });
    this.link = new SerialLink(({ part }) => expertBytes[part] / bandwidth);
  }

  startSequence(): void {
    this.cache.startSequence();
  }

  startTokens(count: number): void {
    this.cache.startTokens(count);
  }

  /** A layer knows what it wants. Gives the experts that it will use, each in one precision; those that are left out are not among them. */
  begin(layer: number, demands: readonly Demand[], now: number): ExpertCopy[] {
    this.arrive(now);
    this.layer = layer;
    this.uses = demands.flatMap((demand) => this.useOf(layer, demand));
    this.giveUpStale();
    for (const use of this.uses) if (use.state === 'there') this.cache.pin(use, true);
    this.requestPostponed(now);
    return this.uses.map(copyOf);
  }

  /** Loads ahead what the next layers will want. `predictions` begin with the next layer's. */
  predict(predictions: readonly LayerRouting[], now: number): void {
    const { prefetch, thresholds } = this.options;
    if (!prefetch) return;
    const { layer } = this;
    const has = (copy: ExpertCopy): boolean => this.cache.has(copy);
    const plan = planPrefetch({ layer, predictions: predictions.slice(0, prefetch), thresholds, has });
    this.cache.mask(plan.masked);
    for (const copy of plan.loads) if (this.request(copy, now, false)) this.counts.prefetches++;
  }

  /**
   * The expert to compute next: one that is there, else the one that will be there first. `ready` is the time when it is, or when to ask
   * again; not above `now` if it is there. `undefined` behind the last.
   */
  next(now: number): { copy: ExpertCopy; ready: number } | undefined {
    this.arrive(now);
    const [first, ...others] = this.uses.map((use) => ({ copy: copyOf(use), ready: this.readyAt(use) }));
    return first && others.reduce((best, one) => (one.ready < best.ready ? one : best), first);
  }

  /** So many tokens of the current layer used an expert that was there. */
  done(copy: ExpertCopy, uses: number, now: number): void {
    this.cache.use(copy, uses);
    this.uses = this.uses.filter((use) => nameOf(use) !== nameOf(copy));
    if (this.options.policy.keeps) this.cache.pin(copy, false);
    else this.giveUp(copy);
    this.arrive(now);
  }

  /** Notes what came over the link by now, and asks for what had no room before. */
  private arrive(now: number): void {
    for (const copy of this.link.advance(now)) {
      this.loading.delete(nameOf(copy));
      const use = this.useNamed(copy);
      if (use) use.state = 'there';
      else this.cache.pin(copy, false);
      // The better copy serves for both.
      const low: ExpertCopy = { ...copy, part: 'low' };
      const isFree = this.cache.has(low) && !this.loading.has(nameOf(low)) && !this.useNamed(low);
      if (copy.part === 'high' && isFree) this.giveUp(low);
    }
    this.requestPostponed(now);
  }

  private useNamed(copy: ExpertCopy): Use | undefined {
    return this.uses.find((use) => nameOf(use) === nameOf(copy));
  }

  private readyAt(use: Use): number {
    if (use.state === 'there') return -Infinity;
    return (
      (use.state === 'loading' ? this.link.endOf(this.loading.get(nameOf(use))!) : this.link.nextEnd()) ?? Infinity
    );
  }

  /** What was predicted up to this layer and is not wanted: it leaves the queue, and memory where nothing is kept. */
  private giveUpStale(): void {
    const isStale = (copy: ExpertCopy): boolean => copy.layer <= this.layer && !this.useNamed(copy);
    for (const copy of this.link.drop(isStale)) {
      this.counts.prefetches--;
      this.counts.bytes -= this.options.expertBytes[copy.part];
      this.loading.delete(nameOf(copy));
      this.giveUp(copy);
    }
    if (this.options.policy.keeps) return;
    for (const copy of [...this.cache.contents('high'), ...this.cache.contents('low')]) {
      if (isStale(copy) && !this.loading.has(nameOf(copy))) this.giveUp(copy);
    }
  }

  private useOf(layer: number, { expert, wanted, uses }: Demand): Use[] {
    const high: ExpertCopy = { layer, expert, part: 'high' };
    const low: ExpertCopy = { layer, expert, part: 'low' };
    const copies = wanted === 'high' ? [high] : [high, low];
    const found = copies.filter((copy) => this.cache.has(copy));
    const there = found.find((copy) => !this.loading.has(nameOf(copy)));
    if (there) {
      this.counts.hits += uses;
      return [{ ...there, state: 'there' }];
    }
    if (wanted === 'skip') {
      this.counts.skipped += uses;
      return [];
    }
    if (found[0]) {
      this.counts.foreseen += uses;
      this.link.hurry(this.loading.get(nameOf(found[0]))!);
      return [{ ...found[0], state: 'loading' }];
    }
    const copy = wanted === 'high' ? high : low;
    this.counts.misses[copy.part] += uses;
    this.counts.penalty += this.options.expertBytes[copy.part] / this.options.expertBytes.high;
    return [{ ...copy, state: 'postponed' }];
  }

  private requestPostponed(now: number): void {
    for (const use of this.uses) {
      if (use.state === 'postponed' && this.request(use, now, true)) use.state = 'loading';
    }
  }

  /** Puts an expert on its way if there is room for it. */
  private request(wanted: ExpertCopy, now: number, isUrgent: boolean): boolean {
    const copy = copyOf(wanted);
    const gone = this.cache.reserve(copy, this.layer, isUrgent);
    if (!gone) return false;
    for (const one of gone) this.events.onEvict?.(one);
    this.loading.set(nameOf(copy), copy);
    this.link.push(copy, now, isUrgent);
    this.counts.bytes += this.options.expertBytes[copy.part];
    this.events.onLoad?.(copy);
    return true;
  }

  private giveUp(copy: ExpertCopy): void {
    this.cache.remove(copy);
    this.events.onEvict?.(copy);
  }
}

/** Counts of nothing. */
export function emptyCounts(): OffloadCounts {
  return { hits: 0, foreseen: 0, misses: { high: 0, low: 0 }, skipped: 0, prefetches: 0, bytes: 0, penalty: 0 };
}

function copyOf({ layer, expert, part }: ExpertCopy): ExpertCopy {
  return { layer, expert, part };
}

function nameOf({ layer, expert, part }: ExpertCopy): string {
  return `${part} ${layer}.${expert}`;
}
