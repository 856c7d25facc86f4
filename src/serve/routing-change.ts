import { type Architecture, removedExperts } from '../architecture/architecture';
import { ffnChoices } from '../architecture/zero-computation';
import { ServingError } from '../base/errors';
import type { ExpertPlace, RoutingChange } from '../plan/serving';

/** What a person changes of one layer's routing. */
export interface LayerChange {
  /** Columns of the router that no token is sent to. */
  off: ReadonlySet<number>;
  /** The only column that tokens are sent to. */
  force?: number;
}

/**
 * A change of routing, by layer. Throws a `ServingError` (`dense`, `no-such-expert`, `removed-expert`, `contradiction`) that names the
 * place.
 */
export function layerChanges(architecture: Architecture, { off = [], force = [] }: RoutingChange = {}): LayerChange[] {
  for (const place of [...off, ...force]) checkPlace(architecture, place);
  return Array.from({ length: architecture.layers }, (_, layer) => {
    const [forced, second] = force.filter((place) => place.layer === layer);
    const columns = new Set(off.filter((place) => place.layer === layer).map(({ expert }) => expert));
    if (second) {
      throw contradiction(`Layer ${layer} can be forced to one expert, found ${forced!.expert} and ${second.expert}`);
    }
    if (forced && columns.has(forced.expert)) {
      throw contradiction(`Expert ${forced.expert} of layer ${layer} is forced and switched off`);
    }
    return { off: columns, ...(forced && { force: forced.expert }) };
  });
}

function checkPlace({ layers, mixture }: Architecture, { layer, expert }: ExpertPlace): void {
  if (!mixture) {
    throw new ServingError('The model is dense: it has no experts to switch off or to force.', { reason: 'dense' });
  }
  const experts = ffnChoices(mixture);
  const isIn = (value: number, count: number): boolean => Number.isInteger(value) && value >= 0 && value < count;
  if (!isIn(layer, layers) || !isIn(expert, experts)) {
    throw new ServingError(
      `An expert should be in layer 0 to ${layers - 1} and have a number from 0 to ${experts - 1}, found layer ${layer}, expert ${expert}.`,
      { reason: 'no-such-expert' },
    );
  }
  if (removedExperts(mixture, layer).includes(expert)) {
    throw new ServingError(`Expert ${expert} of layer ${layer} was removed by pruning.`, {
      reason: 'removed-expert',
      advice: `Layer ${layer} is without the experts ${removedExperts(mixture, layer).join(', ')}.`,
    });
  }
}

function contradiction(problem: string): ServingError {
  return new ServingError(`${problem}.`, { reason: 'contradiction' });
}
