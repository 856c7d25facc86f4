import type { Target } from './target';
import { checkpointTargets } from './targets/checkpoint';
import { dataTargets } from './targets/data';
import { experimentTarget } from './targets/experiment';
import { messagesTarget } from './targets/messages';
import { storeTargets } from './targets/store';

/** Everything that reads what others may have written. */
export async function targets(): Promise<Target[]> {
  return [experimentTarget, ...(await checkpointTargets()), ...dataTargets(), ...storeTargets(), messagesTarget()];
}
