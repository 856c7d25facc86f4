import type { Routing } from '../events/event';
import type { RouterOutput } from '../model/routing';

/** Sums over tokens from which a router's statistics follow, so that batches can be added up. */
interface RouterSums {
  layer: number;
  router: 'ffn' | 'attention';
  tokens: number;
  /** Assignments to each expert: tokens sent to it, or with soft routing tokens whose largest gate it was. */
  assigned: number[];
  gates: number[];
  entropy: number;
}

/** What a router decided for a batch, on the host. */
export interface RouterNumbers {
  layer: number;
  router: 'ffn' | 'attention';
  experts: number;
  /** (tokens x experts) */
  probabilities: Float32Array;
  /** Of a router that chooses: how many tokens each expert got. */
  assigned?: Float32Array;
}

/** Adds up what routers did over batches. */
export class RoutingStatistics {
  private readonly sums = new Map<string, RouterSums>();

  /** Adds one batch. Reads the routers' decisions from the device. */
  add(routers: readonly RouterOutput[]): void {
    for (const { layer, router, probabilities, assigned } of routers) {
      this.addNumbers({
        layer,
        router,
        experts: probabilities.shape[1],
        probabilities: probabilities.dataSync<'float32'>(),
        ...(assigned && { assigned: assigned.dataSync<'float32'>() }),
      });
    }
  }

  /** Adds what one router decided for a batch. */
  addNumbers({ layer, router, experts, probabilities, assigned }: RouterNumbers): void {
    const id = `${layer} ${router}`;
    const empty = (): number[] => new Array<number>(experts).fill(0);
    const sums = this.sums.get(id) ?? { layer, router, tokens: 0, assigned: empty(), gates: empty(), entropy: 0 };
    this.sums.set(id, sums);
    const largest = addTokens(sums, probabilities);
    (assigned ?? largest).forEach((count, expert) => (sums.assigned[expert]! += count));
  }

  /** The statistics of everything added, router by router in the order of the forward pass. */
  summarize(): Routing[] {
    return [...this.sums.values()].map(({ layer, router, tokens, assigned, gates, entropy }) => {
      const total = assigned.reduce((sum, count) => sum + count, 0);
      const load = assigned.map((count) => count / total);
      return {
        layer,
        router,
        load,
        meanGate: gates.map((gate) => gate / tokens),
        entropy: entropy / tokens,
        maxViolation: Math.max(...load) * load.length - 1,
        deadExperts: assigned.filter((count) => count === 0).length,
      };
    });
  }
}

/** Adds all but the assignments. Returns for each expert the number of tokens whose largest gate it is. */
function addTokens(sums: RouterSums, probabilities: Float32Array): number[] {
  const experts = sums.gates.length;
  const largest = new Array<number>(experts).fill(0);
  for (let at = 0; at < probabilities.length; at += experts) {
    let best = 0;
    for (let expert = 0; expert < experts; expert++) {
      const gate = probabilities[at + expert]!;
      sums.gates[expert]! += gate;
      if (gate > 0) sums.entropy -= gate * Math.log(gate);
      if (gate > probabilities[at + best]!) best = expert;
    }
    largest[best]!++;
    sums.tokens++;
  }
  return largest;
}
