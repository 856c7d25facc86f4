// What the interface promises, measured: `npm run bench:ui`. Prints JSON. Give names (queries, index, chart, host) for some of it only.
import { benchChart } from './chart';
import { benchHost } from './extension-host';
import { benchIndex } from './index-events';
import { benchQueries } from './queries';

const BENCHES: Record<string, () => Promise<object>> = {
  queries: benchQueries,
  index: benchIndex,
  chart: benchChart,
  host: benchHost,
};

async function main(): Promise<void> {
  const names = process.argv.slice(2);
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (names.length === 0 || names.includes(name))
      console.log(JSON.stringify({ [name]: await bench() }, undefined, 2));
  }
}

void main();
