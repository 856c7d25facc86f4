import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../base/errors';
import type { RuntimePlace } from './folder';
import { noSpace, saysNoSpace } from './needs';
import { bindingSources, nodeHeaders } from './packages';
import type { Report } from './progress';
import { lastLines, runTool } from './tool';

/**
 * Compiles the sources of tfjs's binding against the unpacked TensorFlow into `place.binding` (N-API: one build serves
 * Node and Electron of any version). Throws an `EngineError`: `compile-failed`, `no-space` or `cancelled`.
 */
export async function compile(
  place: RuntimePlace,
  compiler: string[],
  report: Report,
  signal?: AbortSignal,
): Promise<void> {
  report({ step: 'compile', message: `Compiling the binding with ${compiler[0]} (about 15 seconds)` });
  const partial = `${place.binding}.partial`;
  const args = [...compiler.slice(1), ...compilerArguments(place), '-o', partial];
  const { code, output } = await runTool(compiler[0]!, args, { signal });
  if (code === 0 && existsSync(partial)) return renameSync(partial, place.binding);
  if (saysNoSpace(output)) throw noSpace(`The disk that ${compiler[0]} writes to is full:\n${lastLines(output)}`);
  throw new EngineError(`${compiler[0]} could not compile the binding to TensorFlow:\n${lastLines(output)}`, {
    reason: 'compile-failed',
    advice: 'A compiler for C++17 is needed (g++ 8 or clang++ 7 at least); set CXX to another one and run this again.',
  });
}

function compilerArguments(place: RuntimePlace): string[] {
  const tensorflow = join(place.unpacked, 'tensorflow');
  return [
    ...['-std=c++17', '-O2', '-fPIC', '-shared', ...bindingSources],
    ...['-I', join(tensorflow, 'include'), '-I', nodeHeaders()],
    ...['-L', tensorflow, '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'],
    '-Wl,-rpath,$ORIGIN/unpacked/tensorflow',
    ...cudaArguments(place),
  ];
}

/**
 * Makes the binding itself need the CUDA libraries: TensorFlow opens them by name when it starts, and finds those that
 * are loaded already, so that no environment variable has to name their folders. Linking and loading was tried on a
 * machine without a GPU only.
 */
function cudaArguments(place: RuntimePlace): string[] {
  const nvidia = join(place.unpacked, 'nvidia');
  if (!existsSync(nvidia)) return [];
  const parts = readdirSync(nvidia).filter((part) => existsSync(join(nvidia, part, 'lib')));
  return [
    // Unlike the newer kind, this run path also serves what the libraries themselves need.
    '-Wl,--disable-new-dtags,--no-as-needed',
    ...parts.flatMap((part) => ['-L', join(nvidia, part, 'lib'), `-Wl,-rpath,$ORIGIN/unpacked/nvidia/${part}/lib`]),
    ...parts
      .flatMap((part) => readdirSync(join(nvidia, part, 'lib')).filter(isEntryLibrary))
      .map((file) => `-l:${file}`),
  ];
}

/** True for a library that programs link with; their parts (`libcudnn_ops.so.9`) load by themselves, and nvblas would replace BLAS. */
function isEntryLibrary(file: string): boolean {
  return /^lib[A-Za-z]+\.so\.\d+$/.test(file) && !file.startsWith('libnvblas');
}
