import { RunError } from '../base/errors';
import { formatCount, formatDuration } from '../base/format';
import { textTable } from '../base/text-table';
import { parseQuantity } from '../config/quantity';
import { formatBytes } from '../engine/runtime/folder';
import type { PlanNeeds } from '../plan/needs';

/** What a device is taken to compute in a second where nothing is said: about as much as two cores of a desktop processor. */
const DEFAULT_FLOPS = '100G';

/** Reads the options of `bam plan` that ask what a plan needs. Throws a `RunError` (`bad-option`). */
export function readNeedsOptions(devices: string, flops = DEFAULT_FLOPS): { devices: number; flopsPerSecond: number } {
  const read = (text: string, name: string, example: string): number => {
    const value = parseQuantity(text);
    if (value !== undefined) return value;
    throw new RunError(`Expected a count as ${name}, found ${JSON.stringify(text)}.`, {
      reason: 'bad-option',
      advice: `For example: ${name} ${example}`,
    });
  };
  return { devices: read(devices, '--devices', '3'), flopsPerSecond: read(flops, '--flops', '100T') };
}

/** A table of what every stage needs, and how long all take. */
export function describeNeeds({ devices, flopsPerSecond, stages, secondsOnOne, seconds, disk }: PlanNeeds): string {
  const rows = Object.entries(stages).map(([name, needs]) => [
    name,
    ...[needs.memory, needs.parameters, needs.gradients, needs.moments, needs.activations].map(formatBytes),
    formatBytes(needs.checkpoint),
    needs.tokensPerSecond === null ? '-' : formatCount(needs.tokensPerSecond),
    needs.seconds ? formatDuration(needs.seconds) : '-',
  ]);
  const header = [
    'stage',
    'memory',
    'parameters',
    'gradients',
    'moments',
    'activations',
    'checkpoint',
    'tokens/s',
    'time',
  ];
  const several = devices === 1 ? '' : `, ${formatDuration(seconds)} on ${devices}`;
  return [
    textTable(header, rows),
    `All stages: ${formatDuration(secondsOnOne)} on one device${several}, at ${formatCount(flopsPerSecond)} FLOP/s each; kept checkpoints: ${formatBytes(disk)}.`,
    'Numbers are float32. Memory is an estimate without the engine itself; time is training alone. A stage trains on one device: several run stages side by side, and none makes one stage faster.',
  ].join('\n');
}
