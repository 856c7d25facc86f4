import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivate } from '../../base/cache-folder';
import { diskError, writeFileAtomic } from '../../base/files';
import { compile } from './compile';
import { checkWheels, download, recordedWheels } from './download';
import { folderBytes, formatBytes, runtimeFolder, runtimePlace, TENSORFLOW_VERSION, type RuntimePlace } from './folder';
import { readRuntime, type InstalledRuntime, type RuntimeRecord } from './installed';
import { withLock } from './lock';
import {
  expectedBytes,
  findCompiler,
  findPython,
  neededBytes,
  requireSpace,
  thisPlatform,
  wheelArchitecture,
} from './needs';
import { probeBinding } from './probe';
import type { InstallProgress, Report } from './progress';
import { unpack } from './unpack';

export interface InstallOptions {
  /** TensorFlow for CUDA 12 with its CUDA libraries. Was installed and loaded on a machine without a GPU, never on one with it. */
  gpu?: boolean;
  onProgress?: (progress: InstallProgress) => void;
  signal?: AbortSignal;
}

/**
 * Installs native TensorFlow for this user: downloads its wheel, unpacks its libraries, compiles tfjs's binding to them
 * and tries it. Each finished step stays, so that a second call goes on from there; where all are, nothing happens.
 * Throws an `EngineError`: `unsupported-platform`, `no-pip`, `no-compiler`, `no-space`, `download-failed`, `checksum`,
 * `unpack-failed`, `compile-failed`, `verify-failed` or `cancelled`.
 */
export async function installRuntime(options: InstallOptions = {}): Promise<InstalledRuntime> {
  const place = runtimePlace(options.gpu ?? false);
  const present = readRuntime(place);
  if (present) return present;
  const architecture = wheelArchitecture(thisPlatform());
  makeFolder(place.folder);
  const report: Report = options.onProgress ?? (() => undefined);
  const onWait = (pid: number): void =>
    report({ step: 'download', message: `Waiting for another installation (process ${pid})` });
  const work = async () => readRuntime(place) ?? (await install(place, architecture, report, options.signal));
  return withLock(place.lock, work, { onWait, signal: options.signal });
}

function makeFolder(folder: string): void {
  try {
    makePrivate(runtimeFolder());
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw diskError(error, folder);
  }
}

async function install(
  place: RuntimePlace,
  architecture: string,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<InstalledRuntime> {
  // Everything that can be missing is looked for before anything large is fetched.
  const compiler = existsSync(place.binding) ? [] : await findCompiler(signal);
  if (!existsSync(place.unpacked)) {
    const python = await findPython(signal);
    await requireSpace(place.folder, neededBytes(place));
    if (existsSync(place.downloaded)) await checkWheels(place);
    else await download(place, { python, architecture, report, signal });
    await unpack(place, python, report, signal);
  }
  if (compiler.length) await compile(place, compiler, report, signal);
  return finish(place, report, signal);
}

/** Tries the binding, then writes the record that makes the runtime count. A binding that fails goes, to be compiled anew. */
async function finish(place: RuntimePlace, report: Report, signal?: AbortSignal): Promise<InstalledRuntime> {
  report({ step: 'verify', message: 'Multiplying two matrices with it' });
  let version: string;
  try {
    ({ version } = await probeBinding(place.binding, signal));
  } catch (error) {
    rmSync(place.binding, { force: true });
    throw error;
  }
  const record: RuntimeRecord = {
    variant: place.variant,
    version,
    gpu: place.gpu,
    bytes: folderBytes(place.folder),
    sha256: recordedWheels(place).find(({ file }) => file.startsWith('tensorflow'))!.sha256,
    installedAt: new Date().toISOString(),
  };
  writeFileAtomic(place.record, JSON.stringify(record, null, 2));
  report({
    step: 'verify',
    message: `TensorFlow ${version} is ready: ${formatBytes(record.bytes)} in ${place.folder}`,
  });
  return { ...record, folder: place.folder, binding: place.binding };
}

/** What an installation will do, for the user to read before it starts. */
export function describeInstall(gpu: boolean): string {
  const { download: fetched, disk } = expectedBytes(gpu);
  const what = gpu ? 'The TensorFlow wheel for CUDA 12 and its CUDA libraries' : 'The TensorFlow wheel';
  return [
    `Native TensorFlow ${TENSORFLOW_VERSION} (${gpu ? 'GPU' : 'CPU'}) is not installed yet. It is installed once for this user:`,
    `  fetched:  ${what} from the Python package index, through pip (${formatBytes(fetched)})`,
    `  compiled: one small file that ties it to Node, with your C++ compiler (about 15 seconds)`,
    `  on disk:  ${formatBytes(disk)} in ${join(runtimeFolder(), runtimePlace(gpu).variant)}`,
    `  removed:  by \`bam runtime remove\``,
  ].join('\n');
}
