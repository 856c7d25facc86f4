import type { LayerRouting, RoutingTrace, TokenRouting } from '../offload/trace';
import { decode } from './decode';
import type { ExpertGate, ExpertSource, RoutedLayer } from './experts';
import { KeyValueCache } from './kv-cache';
import type { DecodingModel } from './model';
import { layerChanges } from './routing-change';

/** A text whose first tokens are a prompt. */
export interface ServedText {
  ids: readonly number[];
  prompt: number;
}

/** How a mixture routes texts, and what the routers of the next `ahead` layers foresee. Each text is one pass. */
export async function routingTrace(
  model: DecodingModel,
  texts: readonly ServedText[],
  ahead: number,
): Promise<RoutingTrace> {
  const { architecture } = model;
  const sequences: RoutingTrace['sequences'] = [];
  for (const { ids, prompt } of texts) {
    const tokens = ids.map((): TokenRouting => ({ layers: [], predictions: [] }));
    const experts = new RecordingExperts(model.experts, tokens, ahead);
    const cache = new KeyValueCache();
    await decode({ ...model, experts }, cache, ids, layerChanges(architecture));
    cache.dispose();
    sequences.push({ prompt, tokens });
  }
  return { layers: architecture.layers, experts: architecture.mixture!.experts, sequences };
}

/** A source of experts that notes what is asked of another one. */
class RecordingExperts implements ExpertSource {
  constructor(
    private readonly source: ExpertSource,
    private readonly tokens: TokenRouting[],
    private readonly ahead: number,
  ) {}

  async prepare(routed: RoutedLayer): Promise<void> {
    const foreseen = await routed.lookAhead(this.ahead);
    routed.chosen.forEach((token, i) => {
      this.tokens[i]!.layers.push(routingOf(token));
      this.tokens[i]!.predictions.push(foreseen.map((layer) => routingOf(layer[i]!)));
    });
    await this.source.prepare(routed);
  }

  ffn(...asked: Parameters<ExpertSource['ffn']>): ReturnType<ExpertSource['ffn']> {
    return this.source.ffn(...asked);
  }

  dispose(): void {
    // The other source belongs to its model.
  }
}

/** One token's experts as traces have them. */
export function routingOf(token: readonly ExpertGate[]): LayerRouting {
  return { experts: token.map(({ expert }) => expert), gates: token.map(({ gate }) => gate) };
}
