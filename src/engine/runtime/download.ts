import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { EngineError } from '../../base/errors';
import { readJson, writeFileAtomic } from '../../base/files';
import { expectedBytes, noSpace, saysNoSpace } from './needs';
import { folderBytes, formatBytes, TENSORFLOW_VERSION, type RuntimePlace } from './folder';
import type { Report } from './progress';
import { lastLines, runTool } from './tool';

export interface DownloadOptions {
  python: string;
  /** `x86_64` or `aarch64`. */
  architecture: string;
  report: Report;
  signal?: AbortSignal | undefined;
}

const wheelSchema = z.object({ file: z.string(), bytes: z.number(), sha256: z.string() });
export type Wheel = z.output<typeof wheelSchema>;

/**
 * Fetches the wheels with pip, and records their SHA-256 in `place.wheels`. TensorFlow's own has to have the one that is known here. For the
 * GPU variant the CUDA libraries that its `and-cuda` extra names come with it, which pip checks against the index alone.
 * Throws an `EngineError`: `download-failed`, `no-space` or `cancelled`.
 */
export async function download(place: RuntimePlace, options: DownloadOptions): Promise<void> {
  rmSync(place.downloading, { recursive: true, force: true });
  mkdirSync(join(place.downloading, 'temporary'), { recursive: true });
  const stop = reportGrowth(place, options.report);
  try {
    await pip(place, options, pinned(place, place.gpu ? 'tensorflow' : 'tensorflow-cpu'));
    if (place.gpu) await pip(place, options, await cudaRequirements(place, options));
  } finally {
    stop();
    rmSync(join(place.downloading, 'temporary'), { recursive: true, force: true });
  }
  const wheels: Wheel[] = [];
  for (const file of wheelFiles(place.downloading)) wheels.push(await describeWheel(place.downloading, file));
  writeFileAtomic(place.wheels, JSON.stringify(wheels, null, 2));
  renameSync(place.downloading, place.downloaded);
}

/** The wheels of `TENSORFLOW_VERSION` that `wheelTags` may name, by package: x86_64, then aarch64. Of the CPU's there is one. */
const WHEEL_SHA256: Record<'tensorflow' | 'tensorflow-cpu', readonly string[]> = {
  'tensorflow-cpu': ['2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c'],
  tensorflow: [
    '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
    '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
  ],
};

/** Arguments of pip for TensorFlow's own wheel: whatever index it asks, it takes no other file than the one that is meant. */
function pinned(place: RuntimePlace, name: keyof typeof WHEEL_SHA256): string[] {
  const file = join(place.downloading, 'temporary', 'requirements.txt');
  const hashes = WHEEL_SHA256[name].map((hash) => `--hash=sha256:${hash}`);
  writeFileSync(file, `${[`${name}==${TENSORFLOW_VERSION}`, ...hashes].join(' ')}\n`);
  return ['--require-hashes', '--requirement', file];
}

/** Downloads what the requirements name, without what those need, into `place.downloading`. */
async function pip(place: RuntimePlace, options: DownloadOptions, requirements: string[]): Promise<void> {
  const args = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--disable-pip-version-check'];
  args.push('--progress-bar', 'off', ...wheelTags(options.architecture), '--dest', place.downloading, ...requirements);
  // pip loads into its temporary folder first: here it is on the right disk, its growth can be seen, and it goes away with the rest.
  const env = { TMPDIR: join(place.downloading, 'temporary') };
  const { code, output } = await runTool(options.python, args, { env, signal: options.signal });
  if (code === 0) return;
  const complaint = lastLines(output);
  if (saysNoSpace(output)) throw noSpace(`The disk that holds ${place.folder} is full; pip said:\n${complaint}`);
  throw new EngineError(`pip could not download ${requirements.join(', ')}:\n${complaint}`, {
    reason: 'download-failed',
    advice:
      'Check the network (pip reads its index, proxy and certificates from its own settings) and run this again. ' +
      '"No matching distribution" means that the index has no wheel for this kind of machine.',
  });
}

/**
 * The tags of the wheel wanted, so that any Python with pip can fetch it: only its C++ libraries are used, so the
 * version of Python that it was built for does not matter.
 */
function wheelTags(architecture: string): string[] {
  const platforms = ['manylinux_2_28', 'manylinux_2_27', 'manylinux_2_17', 'manylinux2014'];
  return [
    '--only-binary=:all:',
    ...['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--abi', 'none'],
    ...platforms.flatMap((platform) => ['--platform', `${platform}_${architecture}`]),
  ];
}

const READ_REQUIREMENTS = `
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith('.dist-info/METADATA'))
    for line in wheel.read(name).decode('utf8').splitlines():
        found = re.match(r'Requires-Dist: (nvidia-[^;]*);.*and-cuda', line)
        if found: print(found[1].strip())
`;

/** The CUDA packages that TensorFlow's wheel asks for in its `and-cuda` extra, as requirements for pip. */
async function cudaRequirements(place: RuntimePlace, { python, signal }: DownloadOptions): Promise<string[]> {
  const wheel = join(place.downloading, wheelFiles(place.downloading)[0]!);
  const { code, output } = await runTool(python, ['-c', READ_REQUIREMENTS, wheel], { signal });
  const requirements = output.trim().split(/\r?\n/).filter(Boolean);
  if (code === 0 && requirements.length) return requirements;
  throw new EngineError(`${wheel} should name CUDA packages in its extra "and-cuda":\n${lastLines(output)}`, {
    reason: 'download-failed',
    advice: 'Install without --gpu, or report this: TensorFlow may have renamed the extra.',
  });
}

function wheelFiles(folder: string): string[] {
  return readdirSync(folder).filter((file) => file.endsWith('.whl'));
}

async function describeWheel(folder: string, file: string): Promise<Wheel> {
  const path = join(folder, file);
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { file, bytes: statSync(path).size, sha256: hash.digest('hex') };
}

/** Reports the size of what pip has fetched so far, twice a second; the result stops it. pip has no progress that every version prints. */
function reportGrowth(place: RuntimePlace, report: Report): () => void {
  const total = expectedBytes(place.gpu).download;
  const tell = (): void => {
    // For a moment pip holds a wheel twice, in its temporary folder and in its place.
    const done = Math.min(total, folderBytes(place.downloading));
    report({
      step: 'download',
      message: `Downloading TensorFlow ${TENSORFLOW_VERSION} (${formatBytes(total)})`,
      done,
      total,
    });
  };
  tell();
  const timer = setInterval(tell, 500);
  return () => clearInterval(timer);
}

/** The wheels as recorded when they were downloaded. */
export function recordedWheels(place: RuntimePlace): Wheel[] {
  return z.array(wheelSchema).parse(readJson(place.wheels));
}

/**
 * Checks wheels that lie there since an earlier call against their record. Throws an `EngineError` (reason `checksum`)
 * if one has changed, after deleting them, so that the next call fetches them again.
 */
export async function checkWheels(place: RuntimePlace): Promise<void> {
  const wheels = recordedWheels(place);
  const present = wheelFiles(place.downloaded);
  for (const { file, sha256 } of wheels) {
    const found = present.includes(file) ? (await describeWheel(place.downloaded, file)).sha256 : 'nothing';
    if (found !== sha256) throw damagedWheel(place, `${file} should have SHA-256 ${sha256}, but has ${found}.`);
  }
}

/** Deletes the downloaded wheels and returns the error that says why. */
export function damagedWheel(place: RuntimePlace, message: string): EngineError {
  rmSync(place.downloaded, { recursive: true, force: true });
  return new EngineError(`The downloaded TensorFlow wheel is damaged: ${message}`, {
    reason: 'checksum',
    advice: 'It has been deleted. Run this again to download it anew.',
  });
}
