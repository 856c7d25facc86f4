import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { RunError } from '../base/errors';
import type { LaunchConfig } from '../config/launch-schema';
import { DEVICE } from './queue';

const QUERY = ['--query-gpu=index,name,memory.total', '--format=csv,noheader'];
const QUERY_MILLISECONDS = 10_000;

/** What one trainer at a time uses. */
export interface Device {
  /** What runs wait for. */
  queue: string;
  /** Variables that keep a trainer to it. */
  environment: NodeJS.ProcessEnv;
}

/** A GPU as nvidia-smi tells it. */
export interface Gpu {
  index: number;
  name: string;
  /** As it was printed, e.g. `81920 MiB`. */
  memory: string;
}

/** Reads what `nvidia-smi` prints for `index,name,memory.total` as CSV without a header. Lines of another form are left out. */
export function parseGpus(text: string): Gpu[] {
  return text.split('\n').flatMap((line) => {
    const found = /^\s*(\d+), (.+), ([^,]+)$/.exec(line.trimEnd());
    return found ? { index: Number(found[1]), name: found[2]!, memory: found[3]! } : [];
  });
}

/** The GPUs of this machine that `CUDA_VISIBLE_DEVICES`, if it is set, does not hide; none where there is no nvidia-smi that answers. */
export function findGpus(): Gpu[] {
  const { status, stdout } = spawnSync('nvidia-smi', QUERY, { encoding: 'utf8', timeout: QUERY_MILLISECONDS });
  const visible = process.env.CUDA_VISIBLE_DEVICES?.split(',').map((index) => index.trim());
  const gpus = status === 0 ? parseGpus(stdout) : [];
  return visible ? gpus.filter(({ index }) => visible.includes(String(index))) : gpus;
}

/**
 * The devices that a run trains on, one stage on each at a time: the GPUs that it asks for, else as many slots of the CPU. Throws a
 * `RunError` (`no-device`) for a GPU that is not there.
 */
export function chooseDevices({ devices, slots }: LaunchConfig = {}, gpus: () => Gpu[] = findGpus): Device[] {
  const found = devices ? gpus() : [];
  if (Array.isArray(devices)) return devices.map((index) => gpuDevice(requireGpu(index, found)));
  if (found.length) return found.map(gpuDevice);
  return slots ? Array.from({ length: slots }, () => cpuSlot(slots)) : [{ queue: DEVICE, environment: {} }];
}

function requireGpu(index: number, gpus: readonly Gpu[]): Gpu {
  const gpu = gpus.find((one) => one.index === index);
  if (gpu) return gpu;
  const list = gpus.map((one) => `${one.index} (${one.name}, ${one.memory})`).join(', ') || 'none';
  throw new RunError(`Expected a GPU ${index}, as launch.devices asks for. GPUs of this machine: ${list}.`, {
    reason: 'no-device',
    advice: 'Write `launch: { devices: auto }` for those there are, or leave it out to train on the CPU.',
  });
}

function gpuDevice({ index }: Gpu): Device {
  // CUDA numbers the fastest first, unless it is told to number like nvidia-smi.
  return {
    queue: `gpu-${index}`,
    environment: { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: String(index) },
  };
}

/** One of several slots of the CPU. Threads that the environment gives to a trainer stay as they are. */
function cpuSlot(slots: number): Device {
  const given = process.env.TF_NUM_INTRAOP_THREADS;
  const threads = given ?? String(Math.max(1, Math.floor(availableParallelism() / slots)));
  const environment = {
    CUDA_VISIBLE_DEVICES: '-1',
    TF_NUM_INTRAOP_THREADS: threads,
    TF_NUM_INTEROP_THREADS: threads,
    OMP_NUM_THREADS: threads,
  };
  return { queue: DEVICE, environment };
}
