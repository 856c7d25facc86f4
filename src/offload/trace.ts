/** What the FFN router of one layer chose for one token: different experts, the largest gate first. */
export interface LayerRouting {
  experts: number[];
  gates: number[];
}

/** What the routers of all layers chose for one token. */
export interface TokenRouting {
  layers: LayerRouting[];
  /** By layer: what the routers of the next layers would choose for what this layer's router read, the next first. */
  predictions: LayerRouting[][];
}

/** One text: its first tokens are computed at once, the others one by one. */
export interface TracedSequence {
  prompt: number;
  tokens: TokenRouting[];
}

/** Routing of some texts by one mixture. */
export interface RoutingTrace {
  layers: number;
  experts: number;
  sequences: TracedSequence[];
}
