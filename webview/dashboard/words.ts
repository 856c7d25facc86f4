import type { State } from '../../src/messages/contract';

/** What a state is called. */
export function stateWord(state: State): string {
  return state === 'cached' ? 'from cache' : state;
}

/** A sign beside the word, so that a state is seen without colours. */
export const STATE_SIGNS: Record<State, string> = {
  waiting: '○',
  queued: '◷',
  preparing: '…',
  running: '▶',
  cached: '✓',
  finished: '✓',
  stopped: '⏸',
  failed: '✗',
  interrupted: '⚠',
};
