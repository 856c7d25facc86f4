import assert from 'node:assert/strict';
import { parseExperiment } from '../../../src/config/parse';
import { experimentText, SIZES, type SizeName, TEMPLATES, type TemplateName } from '../../../src/config/template';

const DOMAINS = ['general', 'law', 'code'].map((name) => ({ name, files: `corpus/${name}/**/*.txt` }));

describe('a new experiment file', () => {
  for (const template of Object.keys(TEMPLATES) as TemplateName[]) {
    for (const size of Object.keys(SIZES) as SizeName[]) {
      it(`has no mistake: ${template}, ${size}`, () => {
        const text = experimentText({ template, name: 'new', size, domains: DOMAINS, tokens: '500k' });
        const { experiment, mistakes } = parseExperiment(text);
        assert.deepEqual(mistakes, []);
        assert.equal(experiment!.name, 'new');
        assert.equal(experiment!.stages.seed!.train!.tokens, 500_000);
      });
    }
  }

  it('makes a specialist of every domain but the first, and mixes all', () => {
    const text = experimentText({ template: 'bam-btx', name: 'new', size: 'tiny', domains: DOMAINS, tokens: '500k' });
    const { stages } = parseExperiment(text).experiment!;
    assert.deepEqual(Object.keys(stages), ['seed', 'law', 'code', 'bam', 'btx', 'dense']);
    assert.deepEqual(stages.bam!.upcycle!.experts, ['seed', 'law', 'code']);
    assert.equal(stages.dense!.train!.match, 'data');
  });
});
