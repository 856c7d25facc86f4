import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding';
import { EngineError } from '../../base/errors';
import { encodeSavedModel, type Graph, SERVE_TAG } from './graph';

/** Numbers to feed a placeholder with. */
export interface Feed {
  shape: number[];
  values: Float32Array | Int32Array | Uint8Array;
}

/** A graph that TensorFlow has loaded, with the state of its variables. */
export class Session {
  private constructor(
    private readonly binding: TFJSBinding,
    private readonly id: number,
  ) {}

  /** Loads a graph. Throws an `EngineError` (`graph-refused`) where TensorFlow does not take it. */
  static load(binding: TFJSBinding, graph: Graph): Session {
    const folder = mkdtempSync(join(tmpdir(), 'bam-graph-'));
    try {
      writeFileSync(join(folder, 'saved_model.pb'), encodeSavedModel(graph));
      return new Session(binding, binding.loadSavedModel(folder, SERVE_TAG));
    } catch (cause) {
      throw new EngineError(`TensorFlow does not take the graph of a step: ${(cause as Error).message}`, {
        reason: 'graph-refused',
        cause,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /**
   * Computes the named results, and nothing that they do not need. Feeds are by placeholder. Throws an `EngineError`
   * (`graph-failed`) with TensorFlow's own words.
   */
  run(feeds: Record<string, Feed>, results: readonly string[]): Float32Array[] {
    const { binding } = this;
    const ids = Object.values(feeds).map(({ shape, values }) =>
      binding.createTensor(shape, this.typeOf(values), values),
    );
    try {
      const found = binding.runSavedModel(this.id, ids, Object.keys(feeds).join(), results.join());
      ids.push(...found.map(({ id }) => id));
      return found.map(({ id }) => binding.tensorDataSync(id) as Float32Array);
    } catch (cause) {
      throw new EngineError(`The graph of a step failed: ${(cause as Error).message}`, {
        reason: 'graph-failed',
        cause,
      });
    } finally {
      for (const id of ids) binding.deleteTensor(id);
    }
  }

  private typeOf(values: Feed['values']): number {
    if (values instanceof Float32Array) return this.binding.TF_FLOAT;
    return values instanceof Int32Array ? this.binding.TF_INT32 : this.binding.TF_BOOL;
  }

  dispose(): void {
    this.binding.deleteSavedModel(this.id);
  }
}
