import type * as tf from '@tensorflow/tfjs';

/** One of the experts that a token is sent to, by its column of the router, and what its output is multiplied with. */
export interface ExpertGate {
  expert: number;
  gate: number;
}

/** What an FFN router decided for the tokens of one pass, before they are computed. */
export interface RoutedLayer {
  layer: number;
  /** Position of the first token in its sequence: 0 begins a new one. The others follow it. */
  position: number;
  /** Of each token the FFN experts that it is sent to, the largest gate first. Removed and zero-computation experts are left out. */
  chosen: readonly (readonly ExpertGate[])[];
  /**
   * What the routers of the next `layers` layers would choose, the nearest first, if they read what this layer's router read: one list
   * of the form of `chosen` a layer, fewer where the model ends. Computed when it is called, and only before `prepare` is done.
   */
  lookAhead(layers: number): Promise<(readonly (readonly ExpertGate[])[])[]>;
}

/**
 * Where the FFN experts of a mixture are. A pass tells it what a layer's router decided, then asks for all of the layer's experts at
 * once, in the order of their numbers; only then it goes on to the next layer.
 */
export interface ExpertSource {
  /** Told what is going to be asked for. Need not wait until it is there: `ffn` does. */
  prepare(routed: RoutedLayer): Promise<void>;
  /**
   * What an expert makes of the tokens that were sent to it, (K, E) -> (K, E), not multiplied with their gates, which are given in the
   * order of the rows. The caller disposes of the result, and of `rows` once it has it.
   */
  ffn(layer: number, expert: number, rows: tf.Tensor2D, gates: readonly number[]): Promise<tf.Tensor2D>;
  /** Frees what it holds. Nothing is asked for afterwards. */
  dispose(): void;
}
