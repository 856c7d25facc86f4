/** A share as percentage: `12.3 %`, small ones in two digits. */
export function formatShare(share: number): string {
  const percent = 100 * share;
  if (percent === 0 || percent >= 10) return `${percent.toFixed(1)} %`;
  return `${Number(percent.toPrecision(2))} %`;
}
