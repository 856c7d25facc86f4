import type { Router, State } from '../../src/messages/contract';

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

/** The names of routers, and what their load is; the same words as in the report. */
export const ROUTER_WORDS: Record<Router['router'], { title: string; load: string }> = {
  ffn: {
    title: 'FFN router',
    load: 'share of the tokens sent to the expert, or where all are used, of those whose largest gate is the expert’s',
  },
  attention: {
    title: 'Attention router',
    load: 'share of the tokens whose largest gate is the expert’s, or where some are chosen, of those sent to it',
  },
};

/** Names of a stage's experts, with numbers where the plan is gone. */
export function expertNames(experts: readonly string[], count: number): string[] {
  return Array.from({ length: count }, (_, i) => experts[i] ?? String(i));
}
