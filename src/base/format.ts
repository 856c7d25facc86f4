const UNITS = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** A count in at most three digits and a unit, as experiment files may write it: 950, 1.2k, 689k, 2.66M, 1.51G. */
export function formatCount(count: number): string {
  let value = Number(count.toPrecision(3));
  let unit = 0;
  for (; Math.abs(value) >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(3))}${UNITS[unit]}`;
}

/** A time in its two largest units: 12 s, 3 min 20 s, 5 h 2 min. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A perplexity or loss in four digits: 5.432, 54.32, 543.2, 5432; very large ones as a power of ten. */
export function formatMeasure(value: number): string {
  if (Math.abs(value) >= 1e5) return value.toExponential(2);
  return value.toFixed(Math.abs(value) < 10 ? 3 : Math.abs(value) < 100 ? 2 : Math.abs(value) < 1000 ? 1 : 0);
}

/** Milliseconds since 1970 as `2026-11-24 17:15 UTC`: the same clock as in run ids. */
export function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
