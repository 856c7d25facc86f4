import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { loadTokenizer } from '../../src/data/tokenizer';
import { startBackend } from '../../src/engine/backend';
import { createParameters } from '../../src/model/parameters';
import type { GenerateRequest, ServedToken } from '../../src/plan/serving';
import { generate, type GenerateOutcome } from '../../src/serve/generate';
import { decodingModel, disposeModel } from '../../src/serve/model';
import { perplexity } from '../../src/serve/perplexity';
import { layerChanges } from '../../src/serve/routing-change';
import { EagerModel } from '../../src/train/evaluated-model';
import { asMixture, assertClose, largeValues, SMALL } from '../support/engine';

const TOKENIZER = loadTokenizer('bytes', '.');
const MIXTURE: Architecture = asMixture({ ...SMALL, vocabulary: 257, context: 200 }, { ffnTopK: 2 });
const VALUES = largeValues(MIXTURE, 3);

type Request = Partial<Pick<GenerateRequest, 'prompt' | 'tokens' | 'stop' | 'routing'>> & {
  seed?: number;
  temperature?: number;
};

interface Given {
  signal?: AbortSignal;
  onToken?: (token: ServedToken) => void;
}

/** Continues a prompt with a small random mixture; `onToken` may abort. */
async function generated(
  { seed = 1, temperature = 1, ...request }: Request,
  { signal = new AbortController().signal, onToken }: Given = {},
): Promise<GenerateOutcome & { tokens: ServedToken[]; text: string }> {
  const before = tf.memory().numTensors;
  const model = decodingModel(MIXTURE, VALUES);
  const tokens: ServedToken[] = [];
  try {
    const outcome = await generate({
      ...{ model, tokenizer: TOKENIZER, signal },
      request: { prompt: 'The law', tokens: 20, sampling: { temperature, seed }, ...request },
      onToken: (token) => {
        tokens.push(token);
        onToken?.(token);
      },
    });
    return { ...outcome, tokens, text: tokens.map(({ text }) => text).join('') };
  } finally {
    disposeModel(model);
    assert.equal(tf.memory().numTensors, before, 'tensors left behind');
  }
}

const idsOf = ({ tokens }: { tokens: ServedToken[] }): number[] => tokens.map(({ id }) => id);

/** Negative log-likelihoods of the tokens behind the first, from one full pass. */
function lossesOf(ids: readonly number[]): number[] {
  const model = new EagerModel(MIXTURE, createParameters(MIXTURE, VALUES));
  const losses = model.tokenLosses(
    { inputs: Int32Array.from(ids.slice(0, -1)), targets: Int32Array.from(ids.slice(1)) },
    ids.length - 1,
  );
  model.dispose();
  return [...losses];
}

describe('a continuation (native)', () => {
  before(async () => {
    await startBackend('native');
  });

  it('has the prompt, then the new tokens, with positions, experts and attention weights', async () => {
    const { tokens, reason } = await generated({});
    assert.equal(reason, 'length');
    assert.deepEqual(
      tokens.map(({ position }) => position),
      [...Array(27).keys()],
    );
    assert.equal(
      tokens
        .filter(({ isPrompt }) => isPrompt)
        .map(({ text }) => text)
        .join(''),
      'The law',
    );
    for (const { ffn, attention } of tokens) {
      assert.deepEqual(
        ffn.map((chosen) => chosen.length),
        [2, 2],
      );
      assert.ok(ffn.every(([first, second]) => first!.gate >= second!.gate));
      for (const gates of attention) assertClose([gates.reduce((a, b) => a + b)], [1], 1e-5);
    }
  });

  it('is the same with the same seed and another with another', async () => {
    const [one, again, other] = [await generated({}), await generated({}), await generated({ seed: 2 })];
    assert.deepEqual(one, again);
    assert.notDeepEqual(idsOf(one), idsOf(other));
  });

  it('gives every token the logarithm of its probability, and the perplexity of the prompt', async () => {
    const { tokens, perplexity: found } = await generated({});
    const losses = lossesOf(idsOf({ tokens }));
    assert.equal(tokens[0]!.logProbability, undefined);
    assertClose(
      tokens.slice(1).map(({ logProbability }) => -logProbability!),
      losses,
      1e-4,
    );
    const prompt = losses.slice(0, 6);
    assertClose([Math.log(found!)], [prompt.reduce((a, b) => a + b) / 6], 1e-4);
  });

  it('takes the most probable tokens at temperature 0', async () => {
    const { tokens } = await generated({ temperature: 0, tokens: 5 });
    const ids = idsOf({ tokens });
    for (let end = 7; end < ids.length; end++) {
      const of = (last: number): number => lossesOf([...ids.slice(0, end), last]).at(-1)!;
      const others = [0, 65, 101, 200].map(of);
      assert.ok(others.every((loss) => loss >= of(ids[end]!) - 1e-5));
    }
  });

  it('of no tokens only reads the prompt', async () => {
    const { tokens, text, reason } = await generated({ tokens: 0 });
    assert.deepEqual([tokens.length, text, reason], [7, 'The law', 'length']);
  });

  it('ends where the context is full', async () => {
    const { tokens, reason } = await generated({ tokens: 1000, temperature: 0 });
    assert.deepEqual([tokens.length, reason], [200, 'length']);
  });

  it('reads a prompt as long as the context, in several passes', async () => {
    const { tokens } = await generated({ prompt: 'a law '.repeat(34).slice(0, 200), tokens: 3 });
    assert.equal(tokens.length, 200);
    assertClose(
      tokens.slice(1).map(({ logProbability }) => -logProbability!),
      lossesOf(idsOf({ tokens })),
      1e-3,
    );
  });

  it('ends with the document, whose end is no token of it', async () => {
    const { tokens, reason } = await generated({ tokens: 1000 });
    assert.equal(reason, 'stop');
    assert.ok(tokens.length < 200 && !idsOf({ tokens }).includes(TOKENIZER.endOfDocument));
  });

  it('stops before a text, and does not show it', async () => {
    const whole = await generated({ tokens: 60 });
    const continuation = whole.tokens.filter(({ isPrompt, text }) => !isPrompt && text);
    const stop = continuation
      .slice(3, 6)
      .map(({ text }) => text)
      .join('');
    const { text, reason } = await generated({ tokens: 60, stop: ['never in it, since it is long', stop] });
    assert.equal(reason, 'stop');
    assert.equal(text, whole.text.slice(0, whole.text.indexOf(stop, 7)));
  });

  it('is given up behind a token when it is aborted', async () => {
    const stopping = new AbortController();
    const onToken = ({ position }: ServedToken): void => {
      if (position === 9) stopping.abort();
    };
    const { tokens, reason } = await generated({ tokens: 100 }, { signal: stopping.signal, onToken });
    assert.deepEqual([tokens.length, reason], [10, 'stopped']);
  });

  it('says so where a layer is forced', async () => {
    const { tokens } = await generated({ routing: { force: [{ layer: 1, expert: 3 }] } });
    assert.ok(tokens.every(({ ffn }) => JSON.stringify(ffn[1]) === '[{"expert":3,"gate":1}]'));
  });

  for (const [what, request, reason] of [
    ['an empty prompt', { prompt: '' }, 'empty-prompt'],
    ['a prompt longer than the context', { prompt: 'a'.repeat(201) }, 'prompt-too-long'],
    ['a negative count', { tokens: -1 }, 'bad-count'],
    ['a negative temperature', { temperature: -1 }, 'bad-sampling'],
    ['an expert that is not there', { routing: { off: [{ layer: 7, expert: 0 }] } }, 'no-such-expert'],
  ] as [string, Request, string][]) {
    it(`refuses ${what}`, () => assert.rejects(generated(request), { name: 'ServingError', reason }));
  }
});

describe('the perplexity of a text (native)', () => {
  before(async () => {
    await startBackend('native');
  });

  it('is that of full passes over windows of the context', async () => {
    const short = { ...MIXTURE, context: 12 };
    const model = decodingModel(short, VALUES);
    const ids = [...TOKENIZER.encode('A text of thirty-one bytes: yes')];
    const seen: string[] = [];
    const found = await perplexity(model, ids, layerChanges(short), {
      signal: new AbortController().signal,
      onProgress: (done, total) => seen.push(`${done}/${total}`),
    });
    disposeModel(model);
    const losses = [0, 12, 24].flatMap((start) => lossesOf(ids.slice(start, start + 13)));
    assert.equal(losses.length, 30);
    assertClose([Math.log(found)], [losses.reduce((a, b) => a + b) / 30], 1e-4);
    assert.deepEqual(seen, ['12/30', '24/30', '30/30']);
  });

  it('needs two tokens', async () => {
    const model = decodingModel(MIXTURE, VALUES);
    const options = { signal: new AbortController().signal, onProgress: () => undefined };
    await assert.rejects(perplexity(model, [1], layerChanges(MIXTURE), options), { reason: 'empty-text' });
    disposeModel(model);
  });
});
