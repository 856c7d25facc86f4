import type { Diagnostic } from './diagnostics';
import type { Group } from './groups';
import type { DataPath, Source } from './source';

/** A diagnostic for each of these keys that stands in a stage beside `own`, which excludes them; `why` follows it in the text. */
export function excludedBeside(
  source: Source,
  path: DataPath,
  stage: Group,
  own: string,
  keys: readonly string[],
  why: (key: string) => string = () => '',
): Diagnostic[] {
  return keys
    .filter((key) => stage[key] !== undefined)
    .map((key) => source.atKey([...path, key], `no \`${key}\` beside \`${own}\`${why(key)}`));
}
