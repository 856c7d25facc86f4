import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { EngineError } from '../../base/errors';
import { formatBytes, type RuntimePlace } from './folder';
import { runTool } from './tool';

/** What a platform must have for TensorFlow's Linux wheel. */
export interface Platform {
  name: string;
  arch: string;
  /** The version of glibc, where there is one (Alpine Linux has none). */
  glibc: string | undefined;
}

/** The platform of this process. */
export function thisPlatform(): Platform {
  // Node's report looks up every network address by name unless it is told not to.
  if (process.report) Object.assign(process.report, { excludeNetwork: true });
  const report = process.platform === 'linux' ? process.report?.getReport() : undefined;
  const header = (report as { header?: { glibcVersionRuntime?: string } } | undefined)?.header;
  return { name: process.platform, arch: process.arch, glibc: header?.glibcVersionRuntime };
}

/**
 * The platform's name in wheel file names, e.g. `x86_64`. Only Linux on x64 was ever run.
 * Throws an `EngineError` (reason `unsupported-platform`) where the wheel cannot be used.
 */
export function wheelArchitecture(platform: Platform): string {
  const architecture = { x64: 'x86_64', arm64: 'aarch64' }[platform.arch];
  if (platform.name === 'linux' && platform.glibc && architecture) return architecture;
  const name = platform.name === 'linux' && !platform.glibc ? 'linux without glibc' : platform.name;
  throw new EngineError(
    `Native TensorFlow can be installed on Linux with glibc, on x64 or arm64; this is ${name} on ${platform.arch}.`,
    {
      reason: 'unsupported-platform',
      advice: 'The slower wasm backend works here without any installation: use `engine: { backend: auto }`.',
    },
  );
}

/** The first Python that has pip. Throws an `EngineError` (reason `no-pip`) where there is none. */
export async function findPython(signal?: AbortSignal): Promise<string> {
  const candidates = ['python3', 'python'];
  for (const python of candidates) {
    const { code } = await runTool(python, ['-m', 'pip', '--version'], { signal });
    if (code === 0) return python;
  }
  throw new EngineError(`TensorFlow is fetched with pip, but none of ${candidates.join(', ')} runs \`-m pip\`.`, {
    reason: 'no-pip',
    advice:
      'Install it (Debian, Ubuntu: apt-get install python3-pip; Fedora: dnf install python3-pip; ' +
      'elsewhere: python3 -m ensurepip) and run this again.',
  });
}

/**
 * The C++ compiler as an argument array: `$CXX` if set (it may carry arguments), else the first that is there.
 * Throws an `EngineError` (reason `no-compiler`) where there is none.
 */
export async function findCompiler(signal?: AbortSignal): Promise<string[]> {
  const chosen = process.env.CXX?.trim();
  const candidates = chosen ? [chosen.split(/\s+/)] : [['g++'], ['clang++'], ['c++']];
  for (const candidate of candidates) {
    const { code } = await runTool(candidate[0]!, [...candidate.slice(1), '--version'], { signal });
    if (code === 0) return candidate;
  }
  const tried = chosen ? `\`${chosen}\` (from $CXX)` : candidates.join(', ');
  throw new EngineError(`A C++ compiler is needed for one small file, but none of ${tried} runs.`, {
    reason: 'no-compiler',
    advice: 'Install one (Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++) and run this again.',
  });
}

/** Throws an `EngineError` (reason `no-space`) if the disk that holds `folder` has fewer free bytes than `needed`. */
export async function requireSpace(folder: string, needed: number): Promise<void> {
  const disk = await statfs(folder);
  const free = disk.bavail * disk.bsize;
  if (free >= needed) return;
  throw noSpace(`The installation needs ${formatBytes(needed)} in ${folder}; only ${formatBytes(free)} are free.`);
}

/** The error for a full disk, whoever found it. */
export function noSpace(message: string): EngineError {
  return new EngineError(message, {
    reason: 'no-space',
    advice: 'Free some space, or set BAM_RUNTIME_FOLDER to a folder on another disk, and run this again.',
  });
}

/** True for the words with which programs report a full disk. */
export function saysNoSpace(output: string): boolean {
  return /No space left on device|Disk quota exceeded/i.test(output);
}

/** Bytes on disk that the steps still to be done need at most, with a tenth to spare. */
export function neededBytes(place: RuntimePlace): number {
  if (existsSync(place.unpacked)) return 10e6;
  const { download, disk } = expectedBytes(place.gpu);
  return 1.1 * (existsSync(place.downloaded) ? disk : download + Math.max(download, disk));
}

/** What an installation fetches and what it leaves on disk, in bytes. */
export function expectedBytes(gpu: boolean): { download: number; disk: number } {
  return gpu ? { download: 3.38e9, disk: 5.56e9 } : { download: 274e6, disk: 854e6 };
}
