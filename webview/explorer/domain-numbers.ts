import type { Model, Token } from '../../src/messages/explorer';
import type { Numbers } from '../shared/export';
import { loadsOf, type View } from './routing';

/** What was read of a domain. */
export interface ReadDomain {
  domain: string;
  texts: string[];
  tokens: Token[];
}

/**
 * The beginning of a text that fits into a context, whatever the tokenizer: a token has a byte at least, but for one that some tokenizers put
 * in front.
 */
export function fitting(text: string, context: number): string {
  let bytes = 0;
  let part = '';
  for (const character of text) {
    bytes += new TextEncoder().encode(character).length;
    if (bytes >= context) break;
    part += character;
  }
  return part;
}

/** A row a domain: its loads by expert, and how much was read. */
export function loadNumbers({ ffnExperts }: Model, domains: readonly ReadDomain[], view: View): Numbers {
  const header = ['domain', 'documents', 'tokens', ...ffnExperts.map(({ name }, i) => `${i} ${name}`)];
  const rows = domains.map(({ domain, texts, tokens }) => [
    ...[domain, texts.length, tokens.length],
    ...loadsOf(tokens, view, ffnExperts.length),
  ]);
  return { header, rows };
}
