import { availableParallelism } from 'node:os';
import { dirname, join, sep } from 'node:path';
import type * as TensorFlow from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import type { TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding';
import { EngineError, explainError } from '../base/errors';
import { runtimeFolder } from './runtime/folder';
import { installedRuntime, type InstalledRuntime } from './runtime/installed';
import { nativeModules, requirePackage } from './runtime/packages';
import { probeBinding } from './runtime/probe';

/** Which backend an experiment asks for; `auto` takes the first of native and wasm that works. */
export type BackendChoice = 'auto' | 'native' | 'wasm';

/** The backend that computes in this process. */
export interface Backend {
  kind: 'native' | 'wasm';
  /** For people, e.g. `native TensorFlow 2.21.0, CPU, 2 threads`. */
  description: string;
  version: string;
  device: 'cpu' | 'gpu';
  threads: number;
  /** Why `auto` could not take native TensorFlow. */
  fellBackBecause?: string;
}

/** What `bam runtime info` shows. */
export interface RuntimeInfo {
  /** Where runtimes of this user lie. */
  folder: string;
  installed: InstalledRuntime | undefined;
  /** What computes when an experiment says `auto`, if native TensorFlow loads. */
  native: { version: string; device: 'cpu' | 'gpu'; threads: number } | undefined;
  /** Why native TensorFlow does not load. */
  problem: string | undefined;
}

const NOT_INSTALLED = 'native TensorFlow is not installed';

/**
 * Starts the backend that every later tfjs call of this process computes with. The plain `cpu` backend of tfjs, 300
 * times slower, is never taken. Throws an `EngineError`: `not-installed` or `native-failed` if the choice is `native`
 * and it cannot be had, `wasm-failed` if even wasm does not start.
 */
export async function startBackend(choice: BackendChoice): Promise<Backend> {
  if (choice === 'wasm') return startWasm();
  const runtime = installedRuntime();
  if (choice === 'native') return startNative(requireInstalled(runtime));
  if (!runtime) return { ...(await startWasm()), fellBackBecause: `${NOT_INSTALLED} (see \`bam runtime install\`)` };
  try {
    return startNative(runtime);
  } catch (error) {
    return { ...(await startWasm()), fellBackBecause: explainError(error) };
  }
}

function requireInstalled(runtime: InstalledRuntime | undefined): InstalledRuntime {
  if (runtime) return runtime;
  throw new EngineError(`The experiment asks for the native backend, but ${NOT_INSTALLED} in ${runtimeFolder()}.`, {
    reason: 'not-installed',
    advice: 'Run `bam runtime install`, or write `engine: { backend: auto }` to fall back to wasm.',
  });
}

function startNative(runtime: InstalledRuntime): Backend {
  // TensorFlow reads these when its library is loaded. oneDNN nearly doubles the speed of large products on a CPU;
  // level 2 asks for errors only (two lines about oneDNN still come, on standard error, before TensorFlow heeds it).
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  try {
    const binding = requirePackage(runtime.binding) as TFJSBinding;
    registerNative(binding);
    const device = binding.isUsingGpuDevice() ? 'gpu' : 'cpu';
    const threads = nativeThreads();
    const description = `native TensorFlow ${binding.TF_Version}, ${device.toUpperCase()}, ${plural(threads)}`;
    return { kind: 'native', description, version: binding.TF_Version, device, threads };
  } catch (cause) {
    throw new EngineError(`Native TensorFlow in ${runtime.folder} does not load: ${(cause as Error).message}`, {
      reason: 'native-failed',
      advice: 'Run `bam runtime remove`, then `bam runtime install`.',
      cause,
    });
  }
}

function registerNative(binding: TFJSBinding): void {
  const tf = requirePackage(nativeModules.tfjs) as typeof TensorFlow;
  if (!tf.findBackendFactory('tensorflow')) {
    const { NodeJSKernelBackend: Native } = requirePackage(nativeModules.backend) as {
      NodeJSKernelBackend: typeof NodeJSKernelBackend;
    };
    requirePackage(nativeModules.kernels);
    tf.registerBackend('tensorflow', () => new Native(binding, '@tensorflow/tfjs-node-gpu'), 3);
  }
  // The native backend starts at once, so this promise is already settled with what it says.
  void tf.setBackend('tensorflow');
  if (tf.getBackend() !== 'tensorflow') throw new Error('tfjs refused the backend');
}

async function startWasm(): Promise<Backend> {
  const tf = requirePackage(nativeModules.tfjs) as typeof TensorFlow;
  const name = '@tensorflow/tfjs-backend-wasm';
  const wasm = requirePackage(name) as { setWasmPaths: (folder: string) => void; version_wasm: string };
  if (!tf.findBackend('wasm')) wasm.setWasmPaths(dirname(requirePackage.resolve(name)) + sep);
  if (!(await tf.setBackend('wasm'))) {
    throw new EngineError(`The wasm backend in ${join(dirname(requirePackage.resolve(name)))} does not start.`, {
      reason: 'wasm-failed',
      advice: 'Install the packages anew with `npm ci`.',
    });
  }
  // Its threads are for browsers only.
  const description = `wasm ${wasm.version_wasm}, ${plural(1)}`;
  return { kind: 'wasm', description, version: wasm.version_wasm, device: 'cpu', threads: 1 };
}

/** Threads that one TensorFlow operation uses: its own variable for that, else every core that this process may use. */
function nativeThreads(): number {
  return Number(process.env.TF_NUM_INTRAOP_THREADS) || availableParallelism();
}

function plural(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

/** Looks at what is installed and whether it loads, in a process of its own. */
export async function runtimeInfo(): Promise<RuntimeInfo> {
  const folder = runtimeFolder();
  const installed = installedRuntime();
  if (!installed) return { folder, installed, native: undefined, problem: NOT_INSTALLED };
  try {
    const native = { ...(await probeBinding(installed.binding)), threads: nativeThreads() };
    return { folder, installed, native, problem: undefined };
  } catch (error) {
    return { folder, installed, native: undefined, problem: explainError(error) };
  }
}
