import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseExperiment } from '../../../src/config/parse';

const media = join(import.meta.dirname, '../../../media');
const snippets = JSON.parse(readFileSync(join(media, 'snippets.json'), 'utf8')) as Record<
  string,
  { prefix: string; body: string[] }
>;

/** A snippet as it stands when every place keeps its preset, and every choice its first word. */
function filledIn(name: string): string {
  const text = snippets[name]!.body.join('\n');
  const presets = new Map(
    [...text.matchAll(/\$\{(\d+)[:|]([^}|,]*(?:, [^}|,]*)*)[^}]*\}/g)].map((m) => [m[1]!, m[2]!]),
  );
  return text
    .replace(/\$\{(\d+)[:|][^}]*\}/g, (_all, place: string) => presets.get(place)!)
    .replace(/\$(\d+)/g, (_all, place: string) => presets.get(place) ?? '');
}

describe('snippets', () => {
  it('have an experiment without a mistake', () => {
    assert.deepEqual(parseExperiment(filledIn('Experiment')).mistakes, []);
  });

  it('have stages and domains that fit into that experiment', () => {
    const experiment = filledIn('Experiment');
    for (const [name, { prefix }] of Object.entries(snippets)) {
      if (name === 'Experiment') continue;
      const entry = filledIn(name).replace(/^\w+/, 'another').replaceAll('\n', '\n  ');
      const section = prefix === 'domain' ? 'domains:\n' : 'stages:\n';
      const text = experiment.replace(section, `${section}  ${entry}\n`);
      assert.deepEqual(parseExperiment(text).mistakes, [], `${name}: ${text}`);
      assert.ok(text.includes('another'));
    }
  });
});
