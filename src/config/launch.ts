import type { Diagnostic } from './diagnostics';
import type { Group } from './groups';
import type { Source } from './source';

/** Checks where a run is to be executed. */
export function checkLaunch(source: Source, { devices, slots }: Group): Diagnostic[] {
  if (!Array.isArray(devices)) return [];
  const mistakes: Diagnostic[] = [];
  const twice = devices.findIndex((device, i) => devices.indexOf(device) < i);
  if (twice >= 0) mistakes.push(source.at(['launch', 'devices', twice], 'every GPU once'));
  if (slots !== undefined) {
    mistakes.push(
      source.atKey(['launch', 'slots'], '`slots` only without a list of GPUs, of which each takes one stage', 'both'),
    );
  }
  return mistakes;
}
