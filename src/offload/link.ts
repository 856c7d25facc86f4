/** A way for experts into memory that carries one after the other. What it began it brings to an end. Time is the caller's, in seconds. */
export class SerialLink<T> {
  private waiting: { item: T; isUrgent: boolean; since: number }[] = [];
  private current: { item: T; end: number } | undefined;
  /** When the last one ended. */
  private free = 0;

  /** `seconds` says how long one takes. */
  constructor(private readonly seconds: (item: T) => number) {}

  /** Puts one into the queue: urgent ones go before others that have not begun. Call `advance` first. */
  push(item: T, now: number, isUrgent: boolean): void {
    this.waiting.push({ item, isUrgent, since: now });
    if (!this.current) this.begin();
  }

  /** What ended by now, in that order. */
  advance(now: number): T[] {
    const ended: T[] = [];
    while (this.current && this.current.end <= now) {
      ended.push(this.current.item);
      this.free = this.current.end;
      this.current = undefined;
      this.begin();
    }
    return ended;
  }

  /** When one ends that is under way or waits, if nothing urgent comes before it; `undefined` where it is neither. */
  endOf(item: T): number | undefined {
    if (!this.current) return undefined;
    let end = this.current.end;
    if (this.current.item === item) return end;
    for (const next of this.inOrder()) {
      end += this.seconds(next.item);
      if (next.item === item) return end;
    }
    return undefined;
  }

  /** When the one that is under way ends. */
  nextEnd(): number | undefined {
    return this.current?.end;
  }

  /** Lets one go before those that are not urgent. */
  hurry(item: T): void {
    for (const one of this.waiting) if (one.item === item) one.isUrgent = true;
  }

  /** Takes those out of the queue that have not begun and that `isStale` names; gives them. */
  drop(isStale: (item: T) => boolean): T[] {
    const dropped = this.waiting.filter(({ item, isUrgent }) => !isUrgent && isStale(item)).map(({ item }) => item);
    this.waiting = this.waiting.filter(({ item }) => !dropped.includes(item));
    return dropped;
  }

  private begin(): void {
    const [next] = this.inOrder();
    if (!next) return;
    this.waiting.splice(this.waiting.indexOf(next), 1);
    this.current = { item: next.item, end: Math.max(this.free, next.since) + this.seconds(next.item) };
  }

  private inOrder() {
    return [...this.waiting.filter(({ isUrgent }) => isUrgent), ...this.waiting.filter(({ isUrgent }) => !isUrgent)];
  }
}
