import { type Document, isScalar, parse, parseDocument } from 'yaml';
import { BamError } from '../base/errors';
import { isTooDeep } from './source';

/**
 * Replaces values in the text of an experiment file. Each setting is `path=value` with dots between keys and a YAML value, e.g.
 * `stages.bam.train.tokens=1M` or `seed=2`. Throws a `BamError` (reason `bad-setting`) for anything else.
 */
export function applySettings(text: string, settings: readonly string[]): string {
  if (!settings.length || isTooDeep(text)) return text;
  let changed = text;
  for (const setting of settings) {
    const [path, value] = splitSetting(setting);
    const document = parseDocument(changed);
    if (document.errors.length) return text;
    try {
      changed = replaceValue(changed, document, path.split('.'), parse(value));
    } catch (error) {
      throw new BamError(`--set ${setting}: ${path} cannot be set here (${(error as Error).message.split('\n')[0]}).`, {
        reason: 'bad-setting',
        advice: 'Give the full path of a value in the experiment file, e.g. stages.bam.train.tokens=1M.',
      });
    }
  }
  return changed;
}

/** Replaces a plain value in its place, so that the lines of mistakes stay those of the file; anything else needs a new layout. */
function replaceValue(text: string, document: Document, path: string[], value: unknown): string {
  const node = document.getIn(path, true);
  const [start, end] = (isScalar(node) && node.range) || [0, 0];
  if (start < end && !text.slice(start, end).includes('\n')) {
    return text.slice(0, start) + JSON.stringify(value) + text.slice(end);
  }
  document.setIn(path, value);
  return document.toString();
}

function splitSetting(setting: string): [string, string] {
  const equals = setting.indexOf('=');
  if (equals > 0) return [setting.slice(0, equals), setting.slice(equals + 1)];
  throw new BamError(`--set should be path=value, found "${setting}".`, {
    reason: 'bad-setting',
    advice: 'For example: --set seed=2 --set stages.bam.train.tokens=1M',
  });
}
