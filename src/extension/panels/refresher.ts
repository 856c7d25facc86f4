/** Does something once for any number of calls that come while it is at work. What goes wrong is told, and costs no call that came meanwhile. */
export class Refresher {
  private isAtWork = false;
  private isDue = false;

  constructor(
    private readonly work: () => Promise<void>,
    private readonly tell: (error: unknown) => void,
  ) {}

  /** Does it now, or once more when it is done. */
  async refresh(): Promise<void> {
    this.isDue = true;
    if (this.isAtWork) return;
    this.isAtWork = true;
    while (this.isDue) {
      this.isDue = false;
      await this.work().catch(this.tell);
    }
    this.isAtWork = false;
  }
}
