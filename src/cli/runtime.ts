import { runtimeInfo } from '../engine/backend';
import { formatBytes } from '../engine/runtime/folder';
import { describeInstall, installRuntime } from '../engine/runtime/install';
import { installedRuntime, removeRuntime } from '../engine/runtime/installed';
import type { InstallProgress } from '../engine/runtime/progress';
import { interruptSignal, type Output, printJson } from './output';

/** Prints an installation's progress: a line for every new message, and every tenth of what can be counted. */
export function installProgress(output: Output): (progress: InstallProgress) => void {
  let last = '';
  return ({ step, message, done, total }) => {
    const tenth = done !== undefined && total ? ` ${Math.floor((10 * done) / total) * 10} %` : '';
    const line = `  ${step}: ${message}${tenth}`;
    if (line !== last) output.note(line);
    last = line;
  };
}

/** `bam runtime install [--gpu]` */
export async function runtimeInstallCommand(
  { gpu = false, json }: { gpu?: boolean; json?: boolean },
  output: Output,
): Promise<void> {
  const present = installedRuntime();
  if (!present || present.gpu !== gpu) output.note(describeInstall(gpu));
  const runtime = await installRuntime({ gpu, signal: interruptSignal(output), onProgress: installProgress(output) });
  if (json) printJson(output, runtime);
  else output.print(`Native TensorFlow ${runtime.version} is installed in ${runtime.folder}.`);
}

/** `bam runtime remove` */
export async function runtimeRemoveCommand({ json }: { json?: boolean }, output: Output): Promise<void> {
  const freed = removeRuntime();
  if (json) printJson(output, { freedBytes: freed });
  else output.print(freed ? `Removed; ${formatBytes(freed)} freed.` : 'No native runtime was installed.');
}

/** `bam runtime info` */
export async function runtimeInfoCommand({ json }: { json?: boolean }, output: Output): Promise<void> {
  const info = await runtimeInfo();
  if (json) return printJson(output, info);
  const { native, installed, problem } = info;
  if (installed)
    output.print(`Installed: ${installed.variant} in ${installed.folder} (${formatBytes(installed.bytes)})`);
  if (native)
    output.print(`Loads: TensorFlow ${native.version}, ${native.device.toUpperCase()}, threads: ${native.threads}`);
  if (installed?.gpu && native?.device === 'cpu') output.print('No GPU was found, so it computes on the CPU.');
  if (problem) output.print(`Experiments would run on wasm, 10 to 40 times slower: ${problem}`);
}
