import * as tf from '@tensorflow/tfjs';

/** Resident memory of this process in bytes, and how many tensors are alive. */
export function processMemory(): { residentBytes: number; tensors: number } {
  return { residentBytes: process.memoryUsage.rss(), tensors: tf.memory().numTensors };
}
