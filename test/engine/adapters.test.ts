import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { isAdapter } from '../../src/architecture/adapters';
import type { AdapterArchitecture, Architecture } from '../../src/architecture/architecture';
import { parameterSpecs } from '../../src/architecture/parameters';
import { startBackend } from '../../src/engine/backend';
import { mergeAdapters } from '../../src/interop/merge-adapters';
import { attentionTables } from '../../src/model/attention';
import { drawTensors } from '../../src/model/draws';
import { createParameters, disposeParameters, randomValues } from '../../src/model/parameters';
import { forward, logits } from '../../src/model/transformer';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import type { Step } from '../../src/train/step';
import {
  asMixture,
  assertClose,
  largeValues,
  MODELS,
  onEveryBackend,
  randomBatch,
  SMALL,
  VARIANTS,
  withoutLeak,
} from '../support/engine';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0, routerZ: 0 };
const SEQUENCES = 3;

const mov = (experts: number): AdapterArchitecture => ({ method: 'mov', experts, parts: ['attention', 'ffn'] });
const molora = (experts: number, ...parts: AdapterArchitecture['parts']): AdapterArchitecture => {
  return { method: 'molora', experts, rank: 2, alpha: 5, parts: parts.length ? parts : ['attention', 'ffn'] };
};
/** Adapters that a model may have. */
function adaptersOf({ mixture }: Architecture): AdapterArchitecture[] {
  const vectors = [mov(1), mov(3)].map((one): AdapterArchitecture =>
    mixture ? { ...one, parts: ['attention'] } : one,
  );
  return [...vectors, molora(1), molora(3), { ...molora(2), parts: ['ffn'] }];
}

const ALL: Record<string, Architecture> = {
  ...MODELS,
  neox: { ...SMALL, ...VARIANTS.neox },
  llama: { ...SMALL, ...VARIANTS.llama },
  'a pruned mixture': asMixture(SMALL, { ffnTopK: 2, pruned: { experts: [[1], [0, 3]], routing: 'masked' } }),
};

function logitsOf(architecture: Architecture, values: ReadonlyMap<string, Float32Array>): Float32Array {
  return withoutLeak(() => {
    const parameters = createParameters(architecture, values);
    const { inputs, draws } = randomBatch(architecture, 2, 4);
    const found = tf.tidy(() => {
      const tables = attentionTables(architecture, architecture.context);
      return logits(
        forward(architecture, parameters, tf.tensor1d(inputs, 'int32'), tables, drawTensors(draws!)),
      ).dataSync();
    });
    disposeParameters(parameters);
    return Float32Array.from(found);
  });
}

onEveryBackend('adapters before they train', () => {
  for (const [name, base] of Object.entries(ALL)) {
    it(`change nothing, to the last bit: ${name}`, () => {
      const values = largeValues(base, 1);
      const expected = logitsOf(base, values);
      for (const adapters of adaptersOf(base)) {
        const architecture = { ...base, adapters };
        const added = randomValues(architecture, 2, isAdapter);
        assert.deepEqual(logitsOf(architecture, new Map([...values, ...added])), expected, JSON.stringify(adapters));
        // Values that are not those at the start do change it, so that the test can fail.
        const changed = logitsOf(architecture, largeValues(architecture, 1));
        assert.notDeepEqual(changed, expected, JSON.stringify(adapters));
      }
    });
  }
});

onEveryBackend('adapters of one expert', () => {
  for (const [name, base] of Object.entries(ALL)) {
    it(`merge into the weights exactly: ${name}`, () => {
      for (const adapters of [...adaptersOf(base), molora(1, 'attention')]) {
        const architecture: Architecture = { ...base, adapters };
        const parameters = largeValues(architecture, 1);
        if (adapters.experts > 1 || (base.mixture && adapters.method === 'molora' && adapters.parts.includes('ffn'))) {
          assert.throws(() => mergeAdapters({ architecture, parameters }), { reason: 'adapters' });
          continue;
        }
        const merged = mergeAdapters({ architecture, parameters });
        assert.deepEqual(merged.architecture, base);
        assert.equal(merged.parameters.size, parameterSpecs(base).length);
        const [found, expected] = [logitsOf(base, merged.parameters), logitsOf(architecture, parameters)];
        assertClose(found, expected, 1e-3, JSON.stringify(adapters));
        assert.notDeepEqual(
          merged.parameters,
          new Map([...parameters].filter(([tensor]) => merged.parameters.has(tensor))),
        );
      }
    });
  }
});

function withStep<T>(architecture: Architecture, form: 'eager' | 'graph', passes: number, use: (step: Step) => T): T {
  const before = tf.memory().numTensors;
  const values = largeValues(architecture, 1);
  const step =
    form === 'eager'
      ? new EagerStep(architecture, createParameters(architecture, values), SETTINGS)
      : GraphStep.create({ architecture, values, settings: SETTINGS, sequences: SEQUENCES, passes, form });
  try {
    return use(step);
  } finally {
    step.dispose();
    assert.equal(tf.memory().numTensors, before, 'tensors left behind');
  }
}

/** Three steps: what they gave, and parameters and moments behind them. */
function train(architecture: Architecture, form: 'eager' | 'graph', passes = 1) {
  return withStep(architecture, form, passes, (step) => {
    const results = [0, 1, 2].map((i) => {
      const batches = Array.from({ length: passes }, (_, pass) => randomBatch(architecture, SEQUENCES, 10 * i + pass));
      return step.train(batches, 3e-3, i, true);
    });
    return { results, parameters: step.readParameters(), moments: step.readMoments() };
  });
}

describe('training adapters', () => {
  before(() => startBackend('native'));

  for (const name of ['dense', 'bam with kv-experts', 'a balance bias', 'sampled FFNs', 'neox']) {
    const base = ALL[name]!;
    it(`moves them alone, and as a graph does what the eager form does: ${name}`, () => {
      const all = adaptersOf(base);
      for (const [i, adapters] of [all[1]!, all[3]!].entries()) {
        const architecture = { ...base, adapters };
        const passes = i + 1;
        const start = largeValues(architecture, 1);
        const [eager, graph] = [train(architecture, 'eager', passes), train(architecture, 'graph', passes)];
        for (const { parameters, moments } of [eager, graph]) {
          for (const spec of parameterSpecs(architecture)) {
            const found = parameters.get(spec.name);
            if (isAdapter(spec)) assert.notDeepEqual(found, start.get(spec.name), spec.name);
            else assert.deepEqual(found, start.get(spec.name), spec.name);
            assert.equal(moments.first.has(spec.name), isAdapter(spec), spec.name);
          }
        }
        eager.results.forEach((expected, step) => {
          const found = graph.results[step]!;
          for (const part of ['loss', 'languageModel', 'gradientNorm'] as const) {
            assertClose([found[part]], [expected[part]], 1e-4 * expected[part], `${part} of step ${step}`);
          }
          const kinds = (of: typeof expected): string[] => of.routing.map(({ layer, router }) => `${layer} ${router}`);
          assert.deepEqual(kinds(found), kinds(expected));
          assert.ok(kinds(found).includes('1 adapter value'));
        });
        for (const [tensor, values] of eager.parameters) {
          assertClose(graph.parameters.get(tensor)!, values, 1e-3, tensor);
        }
      }
    });
  }
});
