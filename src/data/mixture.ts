import { deriveSeed, uniformGenerator } from '../base/random';
import { DataError } from '../base/errors';
import { permutation } from './permutation';
import { type Batch, readBatch, requireSequence } from './sequences';
import type { TokenFile } from './token-file';

/** A domain to draw training sequences from; weights are relative to each other. */
export interface MixtureDomain {
  name: string;
  file: TokenFile;
  weight: number;
}

/** How far a sampler is: sequences drawn from each domain. Plain JSON, for checkpoints. */
export interface MixturePosition {
  draws: Record<string, number>;
}

/**
 * Training sequences from several domains in given proportions. All of it follows from the seed and the number of draws,
 * so a saved position goes on exactly, and a domain's sequences do not depend on which others are in the mix.
 */
export class MixtureSampler {
  private readonly sources: Source[];
  /** All batches have weights, or none. */
  private readonly isWeighted: boolean;
  private total: number;

  /**
   * Starts at `saved`, or at the beginning. Throws a `DataError`: `corpus-too-small` for a domain without one sequence of
   * `context` + 1 tokens, `other-mixture` if `saved` is of other domains.
   */
  constructor(
    domains: MixtureDomain[],
    private readonly context: number,
    seed: number,
    saved?: MixturePosition,
  ) {
    if (saved) checkPosition(saved, domains);
    this.isWeighted = domains.some(({ file }) => file.marks);
    const sum = domains.reduce((weights, { weight }) => weights + weight, 0);
    this.sources = domains.map((domain) => {
      requireSequence(domain.name, 'training', domain.file.length, context);
      return new Source(domain, domain.weight / sum, context, seed, saved?.draws[domain.name] ?? 0);
    });
    this.total = this.sources.reduce((draws, source) => draws + source.draws, 0);
  }

  /** The next `batch` sequences: inputs and targets, (batch x context) each. */
  next(batch: number): Batch {
    const windows = Array.from({ length: batch }, () => this.mostBehind().draw());
    return readBatch(windows, this.context, this.isWeighted);
  }

  /** Where the next call of `next` goes on. */
  position(): MixturePosition {
    return { draws: Object.fromEntries(this.sources.map(({ name, draws }) => [name, draws])) };
  }

  /** The domain that is furthest below its share of the draws, the first of equals: so proportions hold at any time. */
  private mostBehind(): Source {
    this.total += 1;
    const deficit = ({ share, draws }: Source) => share * this.total - draws;
    return this.sources.reduce((behind, source) => (deficit(source) > deficit(behind) ? source : behind));
  }
}

/**
 * The windows of one domain. An epoch visits each of its `windows` windows once, in a random order; where the first one
 * starts is random too, within the tokens that the windows leave over, so that borders fall elsewhere in every epoch.
 */
class Source {
  readonly name: string;
  private readonly file: TokenFile;
  private readonly windows: number;
  private epoch = -1;
  private offset = 0;
  private windowAt: (place: number) => number = (place) => place;

  constructor(
    domain: MixtureDomain,
    readonly share: number,
    private readonly context: number,
    private readonly seed: number,
    public draws: number,
  ) {
    this.name = domain.name;
    this.file = domain.file;
    // One window less than would fit leaves room to shift the borders by a whole window.
    this.windows = Math.max(1, Math.floor((domain.file.length - 1) / context) - 1);
  }

  draw(): { file: TokenFile; start: number } {
    this.enterEpoch(Math.floor(this.draws / this.windows));
    const window = this.windowAt(this.draws % this.windows);
    this.draws += 1;
    return { file: this.file, start: this.offset + window * this.context };
  }

  private enterEpoch(epoch: number): void {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    const uniform = uniformGenerator(deriveSeed(this.seed, 'mixture', this.name, epoch));
    const slack = this.file.length - 1 - this.windows * this.context;
    this.offset = Math.floor(uniform() * (slack + 1));
    this.windowAt = permutation(this.windows, uniform);
  }
}

function checkPosition(saved: MixturePosition, domains: MixtureDomain[]): void {
  const found = Object.keys(saved.draws).sort().join(', ');
  const expected = domains
    .map(({ name }) => name)
    .sort()
    .join(', ');
  if (found === expected) return;
  throw new DataError(`The saved position is of a mixture of ${found}; this stage mixes ${expected}.`, {
    reason: 'other-mixture',
    advice: 'Resume with the domains that the run began with, or start a new run.',
  });
}
