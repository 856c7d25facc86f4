import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { startBackend } from '../../src/engine/backend';
import { attentionTables } from '../../src/model/attention';
import { createParameters, disposeParameters } from '../../src/model/parameters';
import { createTeacher, disposeTeacher, type TeacherSource } from '../../src/train/distill';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import { trainingPass } from '../../src/train/pass';
import type { Step } from '../../src/train/step';
import {
  asMixture,
  assertClose,
  largeValues,
  onEveryBackend,
  randomBatch,
  SMALL,
  withoutLeak,
} from '../support/engine';
import { readCase } from '../support/parity';

const NO_ROUTERS = { loadBalance: 0, routerZ: 0 };
const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
const LAYERS = ['all', 'last', 'none'] as const;
const HASHED = asMixture(SMALL, { attention: 'averaged', ffnRouting: 'hash', hashSeed: 7 });

onEveryBackend('learning from a teacher, against PyTorch', () => {
  const stored = readCase('distillation');
  const said = (key: string): unknown => JSON.parse(stored.metadata[key]!);
  const values = new Map(
    [...stored.tensors].flatMap(([name, tensor]) =>
      name.startsWith('teacher.') ? [[name.slice('teacher.'.length), tensor.values] as const] : [],
    ),
  );
  for (const layers of LAYERS) {
    it(`has its loss and every gradient with layers: ${layers}`, () => {
      withoutLeak(() => {
        const { architecture } = stored;
        const parameters = createParameters(architecture, stored.parameters);
        const distill = { weight: said('weight') as number, layers };
        const teacher = createTeacher({ architecture: said('teacher') as Architecture, values, distill });
        tf.tidy(() => {
          const tables = attentionTables(architecture, architecture.context);
          const [inputs, targets] = [stored.inputs, stored.targets].map((ids) => tf.tensor1d(ids, 'int32'));
          const model = { architecture, parameters, tables, settings: NO_ROUTERS, teacher };
          const { losses, gradients } = trainingPass(model, inputs!, targets!, new Map());
          const numbers = losses.dataSync();
          const of = (name: string): Float32Array => stored.tensors.get(`${layers}.${name}`)!.values;
          assertClose([numbers[0]!, numbers[4]!], [of('total')[0]!, of('distillation')[0]!], 1e-4, 'losses');
          for (const [name, gradient] of gradients)
            assertClose(gradient.dataSync(), of(`gradients.${name}`), 1e-4, name);
          assert.equal(gradients.size, parameters.size);
        });
        disposeParameters(parameters);
        disposeTeacher(teacher);
      });
    });
  }

  it('has no loss where the teacher is the same model', () => {
    const teacher = createTeacher({
      architecture: stored.architecture,
      values: stored.parameters,
      distill: { weight: 1, layers: 'all' },
    });
    tf.tidy(() => {
      const [inputs, targets] = [stored.inputs, stored.targets].map((ids) => tf.tensor1d(ids, 'int32'));
      const model = { ...teacher, settings: NO_ROUTERS, teacher };
      const { losses } = trainingPass(model, inputs!, targets!, new Map());
      assert.ok(Math.abs(losses.dataSync()[4]!) < 1e-6);
    });
    disposeTeacher(teacher);
  });
});

describe('a step with a teacher', () => {
  before(async () => {
    await startBackend('native');
  });
  const wide = { ...SMALL, ffnHidden: 40 };
  const cases: Record<string, [student: Architecture, teacher: Architecture, layers: (typeof LAYERS)[number]]> = {
    'dense from a wider dense': [SMALL, wide, 'all'],
    'hash routing from dense': [HASHED, wide, 'all'],
    'bam from hash routing': [asMixture(SMALL), HASHED, 'last'],
    'dense from another width': [SMALL, { ...SMALL, width: 32, layers: 1 }, 'none'],
  };
  for (const [name, [architecture, from, layers]] of Object.entries(cases)) {
    for (const passes of [1, 2]) {
      it(`is the same as a graph and operation by operation, and leaves the teacher alone: ${name}, ${passes} passes`, () => {
        const teacher: TeacherSource = {
          architecture: from,
          values: largeValues(from, 2),
          distill: { weight: 0.5, layers },
        };
        const values = largeValues(architecture, 1);
        const run = (step: Step) => {
          const results = [0, 1, 2].map((i) => {
            const batches = Array.from({ length: passes }, (_, pass) => randomBatch(architecture, 3, 10 * i + pass));
            return step.train(batches, 3e-3, i, i === 0);
          });
          const parameters = step.readParameters();
          step.dispose();
          return { results, parameters };
        };
        withoutLeak(() => {
          const eager = run(
            new EagerStep(architecture, createParameters(architecture, values), SETTINGS, undefined, teacher),
          );
          const settings = SETTINGS;
          const graph = run(
            GraphStep.create({ architecture, values, settings, teacher, sequences: 3, passes, form: 'graph' }),
          );
          eager.results.forEach((expected, i) => {
            const found = graph.results[i]!;
            for (const part of ['loss', 'languageModel', 'distillation'] as const) {
              const size = Math.max(1, expected[part]!);
              assertClose([found[part]! / size], [expected[part]! / size], 1e-4, `${part} of step ${i}`);
            }
            assert.ok(expected.loss > expected.languageModel + 0.4 * expected.distillation!, 'it counts');
          });
          assert.deepEqual([...graph.parameters.keys()], [...eager.parameters.keys()]);
          for (const [key, own] of eager.parameters) assertClose(graph.parameters.get(key)!, own, 2e-3, key);
        });
      });
    }
  }

  it('brings a model nearer to its teacher', () => {
    const teacher: TeacherSource = {
      architecture: wide,
      values: largeValues(wide, 2),
      distill: { weight: 20, layers: 'none' },
    };
    const step = new EagerStep(SMALL, createParameters(SMALL, largeValues(SMALL, 1)), SETTINGS, undefined, teacher);
    const batch = randomBatch(SMALL, 3, 1);
    const losses = Array.from({ length: 20 }, (_, i) => step.train([batch], 3e-3, i, false).distillation!);
    step.dispose();
    assert.ok(losses.at(-1)! < 0.7 * losses[0]!, losses.join(' '));
  });
});
