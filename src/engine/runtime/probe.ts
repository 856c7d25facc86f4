import * as z from 'zod';
import { EngineError } from '../../base/errors';
import { nativeModules } from './packages';
import { lastLines, runTool } from './tool';

/** What a binding said of itself when it was loaded. */
export interface Probe {
  /** TensorFlow's version. */
  version: string;
  device: 'cpu' | 'gpu';
}

const SCRIPT = `
const [tfjs, backend, kernels, bindingPath] = process.argv.slice(1);
const tf = require(tfjs);
const binding = require(bindingPath);
const { NodeJSKernelBackend } = require(backend);
require(kernels);
tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu'), 3);
if (!tf.setBackend('tensorflow')) throw new Error('tfjs refused the backend');
const product = [...tf.matMul([[1, 2], [3, 4]], [[5, 6], [7, 8]]).dataSync()];
console.log('\\n' + JSON.stringify({ version: binding.TF_Version, gpu: binding.isUsingGpuDevice(), product }));
`;

const answerSchema = z.object({ version: z.string(), gpu: z.boolean(), product: z.array(z.number()) });
const PRODUCT = [19, 22, 43, 50];

/**
 * Loads a binding in a process of its own, so that a crash stays there, and multiplies two matrices with it.
 * Throws an `EngineError` (reason `verify-failed`, or `cancelled`) if that does not work.
 */
export async function probeBinding(binding: string, signal?: AbortSignal): Promise<Probe> {
  const { tfjs, backend, kernels } = nativeModules;
  // In VS Code's own process `execPath` is Electron, which is a plain Node with this variable.
  const env = { ELECTRON_RUN_AS_NODE: '1', TF_CPP_MIN_LOG_LEVEL: '2' };
  const args = ['-e', SCRIPT, tfjs, backend, kernels, binding];
  const { code, output } = await runTool(process.execPath, args, { env, signal });
  const answer = code === 0 ? parseAnswer(output) : undefined;
  if (answer && String(answer.product) === String(PRODUCT)) {
    return { version: answer.version, device: answer.gpu ? 'gpu' : 'cpu' };
  }
  const complaint = answer
    ? `2 x 2 matrices should multiply to ${PRODUCT}, but give ${answer.product}`
    : lastLines(output);
  throw new EngineError(`The native runtime does not work on this machine:\n${complaint}`, {
    reason: 'verify-failed',
    advice:
      'TensorFlow needs a processor with AVX (any x64 machine since about 2011). ' +
      'Run `bam runtime remove` and `bam runtime install`; until then the wasm backend does the work, slower.',
  });
}

function parseAnswer(output: string): z.output<typeof answerSchema> | undefined {
  const line = output.split('\n').findLast((text) => text.startsWith('{'));
  return line === undefined ? undefined : answerSchema.parse(JSON.parse(line));
}
