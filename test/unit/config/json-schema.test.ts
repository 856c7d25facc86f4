import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { experimentJsonSchema } from '../../../src/config/schema';
import { trainDefaults } from '../../../src/config/train-schema';

interface Schema {
  description?: string;
  default?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
}

/** Every key of the experiment file with its schema; a name that the user chooses shows as `*`. */
function keys(schema: Schema, path = ''): [string, Schema, boolean][] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, value]): [string, Schema, boolean][] => {
    const isRequired = schema.required?.includes(key) ?? false;
    return [[`${path}${key}`, value, isRequired], ...keys(value, `${path}${key}.`)];
  });
  const named = schema.additionalProperties;
  return [...own, ...(typeof named === 'object' ? keys(named, `${path}*.`) : [])];
}

describe('JSON schema of the experiment file', () => {
  const schema = experimentJsonSchema() as Schema;

  it('describes every key', () => {
    const all = keys(schema);
    assert.deepEqual(
      all.filter(([, { description }]) => !description).map(([path]) => path),
      [],
    );
    assert.ok(all.length > 45, `only ${all.length} keys`);
  });

  it('gives the default of every key that may be left out, but for those that mean something by their absence', () => {
    const bare = keys(schema).filter(([, value, isRequired]) => !isRequired && value.default === undefined);
    assert.deepEqual(
      bare.map(([path]) => path),
      [
        'seeds',
        'sweep',
        'model.layers',
        'model.width',
        'model.heads',
        'model.kvHeads',
        'model.ffnHidden',
        'model.vocabulary',
        'domains.*.field',
        'domains.*.prompt',
        'domains.*.answer',
        'tasks',
        'tasks.*.choices',
        'stages.*.from',
        'stages.*.upcycle',
        'stages.*.upcycle.experts',
        'stages.*.upcycle.copies',
        'stages.*.upcycle.drop',
        'stages.*.upcycle.attentionTopK',
        'stages.*.upcycle.zeroComputation',
        'stages.*.upcycle.zeroComputation.capacity',
        'stages.*.upcycle.router',
        'stages.*.upcycle.router.normalizeLogits',
        'stages.*.upcycle.router.balanceBias',
        'stages.*.upcycle.router.noise',
        'stages.*.split',
        'stages.*.split.tokens',
        'stages.*.prune',
        'stages.*.prune.keep',
        'stages.*.prune.share',
        'stages.*.prune.since',
        'stages.*.prune.tokens',
        'stages.*.adapt',
        'stages.*.adapt.parts',
        'stages.*.import',
        'stages.*.ensemble',
        'stages.*.serve',
        'stages.*.serve.link',
        'stages.*.train',
        'stages.*.train.like',
        'stages.*.train.match',
        'stages.*.train.tokens',
        'stages.*.train.flops',
        'stages.*.train.distill',
        'launch',
        'launch.devices',
        'launch.slots',
        'launch.slurm',
        'launch.slurm.partition',
        'launch.slurm.memory',
        'launch.slurm.time',
      ],
    );
    const defaults = Object.fromEntries(keys(schema).map(([path, value]) => [path, value.default]));
    assert.equal(defaults['stages.*.train.batch'], trainDefaults.batch);
    assert.equal(defaults['stages.*.upcycle.attention'], 'kv-experts');
    assert.equal(defaults['model.tokenizer'], 'bytes');
  });

  it('is stored as it is now (npm run schema writes it)', () => {
    const stored = readFileSync(join(import.meta.dirname, '../../../media/experiment.schema.json'), 'utf8');
    assert.equal(stored, `${JSON.stringify(schema, undefined, 2)}\n`);
  });
});
