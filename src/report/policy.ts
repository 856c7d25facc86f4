import { createHash } from 'node:crypto';

/** How a content policy names an inline text. */
export function sourceHash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
