import assert from 'node:assert/strict';
import type { Architecture } from '../../src/architecture/architecture';
import type { Batch } from '../../src/data/sequences';
import type { Task } from '../../src/data/tasks';
import type { Tokenizer } from '../../src/data/tokenizer';
import { createParameters } from '../../src/model/parameters';
import { evaluateTasks } from '../../src/train/evaluate-tasks';
import { EagerModel, type EvaluatedModel } from '../../src/train/evaluated-model';
import { assertClose, onEveryBackend } from '../support/engine';
import { readStored } from '../support/parity';

const END = 40;

/** Tokens are the characters from `a` on, 10 a line end, 40 the end of a document. */
const LETTERS: Tokenizer = {
  name: 'letters',
  vocabulary: 41,
  endOfDocument: END,
  fingerprint: 'letters',
  encode: (text) => Uint32Array.from(text, letterId),
  decode: (ids) => String.fromCharCode(...ids.map((id) => (id === 10 ? 10 : id + 86))),
};

function letterId(letter: string): number {
  return letter === '\n' ? 10 : letter.charCodeAt(0) - 86;
}

const encode = (text: string): number[] => [END, ...LETTERS.encode(text)];

/** A model whose next token depends on the one before: `chances` has logarithms of probabilities by pair of letters, others are -20. */
class Pairs implements EvaluatedModel {
  calls = 0;

  constructor(private readonly chances: Record<string, number>) {}

  private chance(before: number, next: number): number {
    const name = (id: number): string => (id === END ? '.' : LETTERS.decode([id]));
    return this.chances[name(before) + name(next)] ?? -20;
  }

  evaluate(): number {
    throw new Error('not asked here');
  }

  tokenLosses({ inputs, targets }: Batch): Float32Array {
    this.calls++;
    return Float32Array.from(inputs, (before, i) => -this.chance(before, targets[i]!));
  }

  logProbabilities(inputs: Int32Array, rows: Int32Array): Float32Array {
    this.calls++;
    const scores = [...rows].flatMap((row) =>
      Array.from({ length: LETTERS.vocabulary }, (_, next) => this.chance(inputs[row]!, next)),
    );
    return Float32Array.from(scores);
  }

  dispose(): void {}
}

function ask(model: EvaluatedModel, task: Omit<Task, 'name' | 'fingerprint'>, changes: object = {}) {
  const options = { tokenizer: LETTERS, context: 8, batch: 2, onProgress: () => undefined, ...changes };
  return evaluateTasks(model, [{ name: 'quiz', fingerprint: 'f', ...task } as Task], options);
}

const exact = (...pairs: [prompt: string, answer: string][]): Omit<Task, 'name' | 'fingerprint'> => {
  const examples = pairs.map(([prompt, answer]) => ({ prompt: encode(prompt), answer }));
  return { kind: 'exact-match', examples } as Omit<Task, 'name' | 'fingerprint'>;
};

const choose = (rows: [prompt: string, choices: string[], right: number][]): Omit<Task, 'name' | 'fingerprint'> => {
  const examples = rows.map(([prompt, choices, right]) => ({
    choices: choices.map((choice) => ({ tokens: encode(prompt + choice), bytes: choice.length })),
    shared: prompt.length + 1,
    right,
  }));
  return { kind: 'multiple-choice', examples } as Omit<Task, 'name' | 'fingerprint'>;
};

describe('exact match', () => {
  // Behind a stands b, behind b c, behind c the end; x is followed by y for ever, p by q and a new line.
  const model = (): Pairs => new Pairs({ ab: -1, bc: -1, 'c.': -1, xy: -1, yy: -1, pq: -1, 'q\n': -1, '\na': -1 });
  const accuracy = async (...pairs: [string, string][]) => (await ask(model(), exact(...pairs))).quiz!.accuracy;

  it('follows the likeliest token until the document or the line ends', async () => {
    assert.equal(await accuracy(['a', 'bc']), 1);
    assert.equal(await accuracy(['p', 'q']), 1, 'a line ends the answer');
    assert.equal(await accuracy(['p', 'q\nabc']), 1, 'and an answer may have several');
  });

  it('is not right where the text goes on, ends early or differs', async () => {
    assert.equal(await accuracy(['a', 'b']), 0, 'goes on with c');
    assert.equal(await accuracy(['a', 'bcd']), 0);
    assert.equal(await accuracy(['b', 'd']), 0);
    assert.equal(await accuracy(['x', 'yyy']), 0, 'never ends, and the context does');
  });

  it('asks all examples, in batches of one shape, and stops each as soon as it is decided', async () => {
    const pairs = model();
    const done: string[] = [];
    const shapes: number[][] = [];
    const watched: EvaluatedModel = {
      evaluate: () => pairs.evaluate(),
      tokenLosses: (batch) => pairs.tokenLosses(batch),
      dispose: () => undefined,
      logProbabilities(inputs, rows) {
        shapes.push([inputs.length, rows.length]);
        return pairs.logProbabilities(inputs, rows);
      },
    };
    const onProgress = (task: string, count: number, total: number) => done.push(`${task} ${count} of ${total}`);
    const found = await ask(watched, exact(['a', 'bc'], ['b', 'c'], ['b', 'x']), { onProgress });
    assert.deepEqual(found, { quiz: { kind: 'exact-match', fingerprint: 'f', examples: 3, accuracy: 2 / 3 } });
    assert.deepEqual(done, ['quiz 2 of 3', 'quiz 3 of 3']);
    assert.deepEqual(
      shapes,
      [
        [12, 2],
        [12, 2],
        [12, 2],
        [12, 2],
      ],
      'three tokens, then one that decides',
    );
  });

  it('ends where its progress throws', async () => {
    const onProgress = (): never => {
      throw new Error('enough');
    };
    await assert.rejects(ask(model(), exact(['a', 'bc']), { onProgress }), /enough/);
  });
});

describe('multiple choice', () => {
  it('compares sums of log-likelihoods, and the same for each byte', async () => {
    // bcd: -3 in all, -1 a byte; e: -2 in all and a byte.
    const model = new Pairs({ ab: -1, bc: -1, cd: -1, ae: -2 });
    const { quiz } = await ask(model, choose([['a', ['bcd', 'e'], 0]]));
    assert.deepEqual([quiz!.accuracy, quiz!.normalizedAccuracy], [0, 1]);
    const both = await ask(
      model,
      choose([
        ['a', ['bcd', 'e'], 0],
        ['a', ['bcd', 'e'], 1],
        ['a', ['b', 'e'], 0],
      ]),
    );
    assert.deepEqual([both.quiz!.accuracy, both.quiz!.normalizedAccuracy], [2 / 3, 2 / 3]);
    assert.equal(both.quiz!.examples, 3);
  });

  it('does not score what the prompt and all choices share, and gives ties to the first', async () => {
    // Before the choices stand pairs that the model finds impossible.
    const model = new Pairs({ ab: -1, ac: -1 });
    const { quiz } = await ask(
      model,
      choose([
        ['zza', ['b', 'c'], 0],
        ['zza', ['c', 'b'], 0],
        ['zza', ['c', 'b'], 1],
      ]),
    );
    assert.equal(quiz!.accuracy, 2 / 3);
  });

  it('scores choices in batches of one shape', async () => {
    const seen: number[] = [];
    const pairs = new Pairs({ ab: -1, bc: -2 });
    const model: EvaluatedModel = {
      evaluate: () => 0,
      logProbabilities: () => new Float32Array(),
      dispose: () => undefined,
      tokenLosses(batch) {
        seen.push(batch.inputs.length);
        return pairs.tokenLosses(batch);
      },
    };
    await ask(model, choose([['a', ['bc', 'z', 'y'], 0]]));
    assert.deepEqual(seen, [6, 6], 'as long as the longest needs, and the last batch is filled up');
  });
});

onEveryBackend('continuations of a model are those of PyTorch', () => {
  const { tensors, metadata } = readStored('decoding');
  const architectures = JSON.parse(metadata.architectures!) as Record<string, Architecture>;
  const ids = (name: string): number[] => [...tensors.get(name)!.values];

  for (const [name, architecture] of Object.entries(architectures)) {
    const { context } = architecture;
    const values = new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(`${name}.parameters.`))
        .map(([key, tensor]) => [key.slice(`${name}.parameters.`.length), tensor.values]),
    );
    /** Runs `use` with the model of this case, behind padding that must not matter. */
    function withModel(use: (model: EagerModel) => void): void {
      const model = new EagerModel(architecture, createParameters(architecture, values));
      try {
        use(model);
      } finally {
        model.dispose();
      }
    }
    const padded = (rows: number[][], length: number): Int32Array => {
      const inputs = new Int32Array(rows.length * length).fill(39);
      rows.forEach((row, i) => inputs.set(row, i * length));
      return inputs;
    };

    it(`${name}: greedy`, () =>
      withModel((model) => {
        const rows = [0, 1, 2].map((i) => ids(`${name}.prompt.${i}`));
        for (const open = (row: number[]) => row.length < context; rows.some(open);) {
          const at = rows.map((row, i) => i * context + row.length - 1);
          const scores = model.logProbabilities(padded(rows, context), Int32Array.from(at), context);
          rows.forEach((row, i) => {
            const own = [...scores.subarray(i * architecture.vocabulary, (i + 1) * architecture.vocabulary)];
            assertClose([own.reduce((sum, score) => sum + Math.exp(score), 0)], [1], 1e-5, 'sum of probabilities');
            if (open(row)) row.push(own.indexOf(Math.max(...own)));
          });
        }
        assert.deepEqual(
          rows,
          [0, 1, 2].map((i) => ids(`${name}.greedy.${i}`)),
        );
      }));

    it(`${name}: likelihood`, () =>
      withModel((model) => {
        const wholes = [0, 1, 2].map((i) => [...ids(`${name}.prompt.${i}`), ...ids(`${name}.continuation.${i}`)]);
        for (const length of [context, 10]) {
          const inputs = padded(
            wholes.map((whole) => whole.slice(0, -1)),
            length,
          );
          const targets = padded(
            wholes.map((whole) => whole.slice(1)),
            length,
          );
          const losses = model.tokenLosses({ inputs, targets }, length);
          wholes.forEach((whole, i) => {
            const own = losses.subarray(i * length + whole.length - 5, i * length + whole.length - 1);
            const sum = -own.reduce((total, loss) => total + loss, 0);
            assertClose([sum], tensors.get(`${name}.logLikelihood.${i}`)!.values, 2e-5, `sequence ${i} of ${length}`);
          });
        }
      }));
  }
});
