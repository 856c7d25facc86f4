// npm run test:fuzz -- [--inputs N] [--seed S] [--target NAME] [--only INDEX]
import { parseArgs } from 'node:util';
import { fuzz, shrink } from './fuzz';
import { targets } from './targets';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string', multiple: true },
    only: { type: 'string' },
  },
});

async function main(): Promise<void> {
  const seed = Number(values.seed);
  const only = values.only === undefined ? {} : { only: Number(values.only) };
  const all = await targets();
  const chosen = all.filter(({ name }) => !values.target || values.target.includes(name));
  if (!chosen.length) throw new Error(`There is no such target; there are ${all.map(({ name }) => name).join(', ')}.`);
  let found = 0;
  for (const target of chosen) {
    const result = await fuzz(target, { seed, inputs: Number(values.inputs), ...only });
    const { inputs, taken, seconds, slowestMilliseconds, growth, findings } = result;
    const speed = `${seconds.toFixed(1)} s, slowest ${slowestMilliseconds.toFixed(0)} ms, heap ${(growth / 1e6).toFixed(1)} MB`;
    console.log(
      `${target.name}: ${inputs} inputs of seed ${seed}, ${taken} taken, ${speed}, ${findings.length} findings`,
    );
    for (const finding of findings) {
      const smallest = finding.kind === 'crash' ? await shrink(target, finding, seed) : finding.input;
      console.log(`  ${finding.kind} at input ${finding.index}: ${finding.message}\n    ${finding.where}`);
      console.log(`    ${JSON.stringify(smallest.toString('latin1').slice(0, 400))}`);
    }
    found += findings.length;
  }
  process.exitCode = found ? 1 : 0;
}

main()
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  })
  .finally(() => process.exit());
