import { parseDocument, parse } from 'yaml';
import { BamError } from '../base/errors';

/**
 * Replaces values in the text of an experiment file. Each setting is `path=value` with dots between keys and a YAML value, e.g.
 * `stages.bam.train.tokens=1M` or `seed=2`. Throws a `BamError` (reason `bad-setting`) for anything else.
 */
export function applySettings(text: string, settings: readonly string[]): string {
  if (!settings.length) return text;
  const document = parseDocument(text);
  if (document.errors.length) return text;
  for (const setting of settings) {
    const [path, value] = splitSetting(setting);
    try {
      document.setIn(path.split('.'), parse(value));
    } catch (error) {
      throw new BamError(`--set ${setting}: ${path} cannot be set here (${(error as Error).message.split('\n')[0]}).`, {
        reason: 'bad-setting',
        advice: 'Give the full path of a value in the experiment file, e.g. stages.bam.train.tokens=1M.',
      });
    }
  }
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
