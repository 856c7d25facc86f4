import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * Loads packages when they are asked for, so that importing the engine's files costs nothing: the extension host and
 * `bam plan` must not load tfjs. Works from the bundle in `dist/` as well, where these packages stay outside.
 */
export const requirePackage = createRequire(__filename);

/** Files of `@tensorflow/tfjs-node-gpu`. Its main file is never loaded: that one wants the binding of its own install script. */
const tfjsNode = dirname(requirePackage.resolve('@tensorflow/tfjs-node-gpu/package.json'));

export const bindingSources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(tfjsNode, 'binding', file));

/** The modules that make a backend of a binding, by absolute path: tfjs, the backend's class, and its kernels. */
export const nativeModules = {
  tfjs: requirePackage.resolve('@tensorflow/tfjs'),
  backend: join(tfjsNode, 'dist', 'nodejs_kernel_backend'),
  kernels: join(tfjsNode, 'dist', 'register_all_kernels'),
};

/** The folder with the headers of Node's C interface, which no binding for Node can do without. */
export function nodeHeaders(): string {
  return (requirePackage('node-api-headers') as { include_dir: string }).include_dir;
}
