import type { Database } from './database';

/** Steps that the speed is taken from. */
const LATEST_STEPS = 50;

/** How fast this machine trained lately, in training FLOPs a second: the median of the latest steps. `undefined` before the first. */
export async function querySpeed(index: Database): Promise<number | undefined> {
  const rows = await index.all<{ speed: number }>(
    `select tokensPerSecond * flops / tokens as speed from steps where tokens > 0 order by time desc limit ?`,
    [LATEST_STEPS],
  );
  const speeds = rows.map(({ speed }) => speed).sort((a, b) => a - b);
  return speeds[Math.floor(speeds.length / 2)];
}
