/** An expert's place, and in which of the two precisions it is meant. */
export interface ExpertCopy {
  layer: number;
  expert: number;
  part: Part;
}

/** The two parts of a cache: experts in high precision, and in low. */
export type Part = 'high' | 'low';

/** What an expert's priority is made of; the weights sum to 1. */
export interface PolicyWeights {
  /** How lately it was used. */
  lru: number;
  /** How often it was used. */
  lfu: number;
  /** How often it was used in high precision. */
  lhu: number;
  /** How soon its layer comes. */
  fld: number;
}

export interface CachePolicy {
  weights: PolicyWeights;
  /** Whether what is known of experts is forgotten with every new text. */
  perSequence: boolean;
  /** False gives an expert up as soon as it was used. */
  keeps: boolean;
  /** Whether each layer has its own share of the places. */
  byLayer?: boolean;
}

export interface CacheOptions {
  layers: number;
  /** How many experts each part holds. */
  slots: Record<Part, number>;
  policy: CachePolicy;
}

/** What is known of an expert, whether it is in the cache or not. */
interface ExpertRecord {
  /** The last token that used it, from 1. */
  last: number;
  uses: number;
  highUses: number;
  /** When it was used last, among all uses. */
  order: number;
}

interface Entry extends ExpertCopy {
  /** In use, or on its way. */
  pinned: boolean;
}

/**
 * Which experts are in memory, and which goes when another one comes (HOBBIT, arXiv 2411.01433, sequence-level cache). Holds no weights. Of experts that are
 * not held fast the one with the least priority goes:
 *
 *     w_lru R/T + w_lfu F/T + w_lhu H/T + w_fld (1 - ((l - i + n) mod n) / n)
 *
 * R is the last token that used it, F how many tokens did, H how many in high precision, T the tokens of this text so far, those of its prompt
 * counted; l its layer, i the layer that computes, n the number of layers. Between equals the one that was used longest ago goes.
 */
export class ExpertCache {
  private readonly entries: Record<Part, Map<string, Entry>> = { high: new Map(), low: new Map() };
  private readonly records = new Map<string, ExpertRecord>();
  /** Experts that are predicted to be needed soon. */
  private masked: ReadonlySet<string> = new Set();
  private tokens = 0;
  private uses = 0;

  constructor(private readonly options: CacheOptions) {}

  /** A new text begins. */
  startSequence(): void {
    if (!this.options.policy.perSequence) return;
    this.records.clear();
    this.tokens = 0;
  }

  /** So many tokens begin, to be computed at once. */
  startTokens(count: number): void {
    this.tokens += count;
  }

  /** Whether an expert is in a part of the cache, or on its way. */
  has({ layer, expert, part }: ExpertCopy): boolean {
    return this.entries[part].has(placeKey(layer, expert));
  }

  /** Notes that so many tokens used an expert. */
  use({ layer, expert, part }: ExpertCopy, count: number): void {
    const key = placeKey(layer, expert);
    const { uses, highUses } = this.records.get(key) ?? { uses: 0, highUses: 0 };
    this.records.set(key, {
      last: this.tokens,
      uses: uses + count,
      highUses: highUses + (part === 'high' ? count : 0),
      order: ++this.uses,
    });
  }

  /** Experts that may not go until the next call. */
  mask(places: readonly { layer: number; expert: number }[]): void {
    this.masked = new Set(places.map(({ layer, expert }) => placeKey(layer, expert)));
  }

  /** Holds an expert of the cache fast, or lets it go again. */
  pin({ layer, expert, part }: ExpertCopy, pinned: boolean): void {
    this.entries[part].get(placeKey(layer, expert))!.pinned = pinned;
  }

  /**
   * Makes room for an expert, which is held fast from now on. Gives what had to go, or `undefined` where nothing may. `isUrgent` takes masked
   * experts too, if there is nothing else. `layer` is the one that computes.
   */
  reserve(copy: ExpertCopy, layer: number, isUrgent: boolean): ExpertCopy[] | undefined {
    const entries = this.entries[copy.part];
    const gone: ExpertCopy[] = [];
    if (this.isFull(copy)) {
      const least = this.least(copy, layer, false) ?? (isUrgent ? this.least(copy, layer, true) : undefined);
      if (!least) return undefined;
      this.remove(least);
      gone.push({ layer: least.layer, expert: least.expert, part: least.part });
    }
    entries.set(placeKey(copy.layer, copy.expert), { ...copy, pinned: true });
    return gone;
  }

  remove({ layer, expert, part }: ExpertCopy): void {
    this.entries[part].delete(placeKey(layer, expert));
  }

  /** The experts of a part. */
  contents(part: Part): ExpertCopy[] {
    return [...this.entries[part].values()].map(({ layer, expert }) => ({ layer, expert, part }));
  }

  /** The priority of an expert while a layer computes: what is not needed has less. Between 0 and 1. */
  priority({ layer, expert }: { layer: number; expert: number }, computing: number): number {
    const { layers, policy } = this.options;
    const { lru, lfu, lhu, fld } = policy.weights;
    const record = this.records.get(placeKey(layer, expert)) ?? { last: 0, uses: 0, highUses: 0 };
    const ahead = (layer - computing + layers) % layers;
    const tokens = Math.max(1, this.tokens);
    return (
      (lru * record.last) / tokens +
      (lfu * record.uses) / tokens +
      (lhu * record.highUses) / tokens +
      fld * (1 - ahead / layers)
    );
  }

  private isFull({ layer, part }: ExpertCopy): boolean {
    const { layers, slots, policy } = this.options;
    const entries = [...this.entries[part].values()];
    if (!policy.byLayer) return entries.length >= slots[part];
    const share = Math.floor(((layer + 1) * slots[part]) / layers) - Math.floor((layer * slots[part]) / layers);
    return entries.filter((entry) => entry.layer === layer).length >= share;
  }

  /** Which goes for `copy` while a layer computes. */
  private least(copy: ExpertCopy, layer: number, withMasked: boolean): Entry | undefined {
    let least: { entry: Entry; priority: number; order: number } | undefined;
    for (const [key, entry] of this.entries[copy.part]) {
      if (entry.pinned || (!withMasked && this.masked.has(key))) continue;
      if (this.options.policy.byLayer && entry.layer !== copy.layer) continue;
      const priority = this.priority(entry, layer);
      const order = this.records.get(key)?.order ?? 0;
      if (!least || priority < least.priority || (priority === least.priority && order < least.order)) {
        least = { entry, priority, order };
      }
    }
    return least?.entry;
  }
}

function placeKey(layer: number, expert: number): string {
  return `${layer}.${expert}`;
}
