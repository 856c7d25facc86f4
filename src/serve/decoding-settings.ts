/**
 * Settings of TensorFlow for decoding, which it reads when its library is loaded; what the environment says already stays. A token is
 * many small operations: oneDNN makes new code for every length of the keys, and a second thread costs more than it gives (docs/performance.md).
 */
export function setForDecoding(): void {
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '0';
  process.env.TF_NUM_INTRAOP_THREADS ??= '1';
}
