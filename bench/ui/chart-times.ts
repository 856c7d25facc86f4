/** What bench/ui/page/chart.ts measures of one chart. */
export interface ChartTimes {
  /** From making the chart until the browser has shown it. */
  openMilliseconds: number;
  framesPerSecond: number;
  longestFrameMilliseconds: number;
}
