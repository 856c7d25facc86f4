import assert from 'node:assert/strict';
import type { Asked, ExplorerRequest, Model, Token } from '../../../src/messages/explorer';
import { answerTo, type Answer, progressOf, take } from '../../../webview/explorer/answers';
import { Asking } from '../../../webview/explorer/asking';
import { lineOf } from '../../../webview/explorer/lines';
import { fitting, loadNumbers } from '../../../webview/explorer/domain-numbers';
import {
  describeChange,
  differences,
  layersOf,
  loadsOf,
  mainExpert,
  NO_CHANGE,
  perplexityOf,
  sharesOf,
  stateOf,
  toggled,
} from '../../../webview/explorer/routing';
import { formSchema, readForm, readStops } from '../../../webview/explorer/settings';
import { formatShare } from '../../../webview/explorer/shares';
import { PART, piecesOf } from '../../../webview/explorer/token-text';

/** A token with experts and gates by layer: `[[[0, 0.7], [1, 0.3]], []]`. */
function token(position: number, text: string, layers: [number, number][][] = [], more: Partial<Token> = {}): Token {
  const ffn = layers.map((chosen) => chosen.map(([expert, gate]) => ({ expert, gate })));
  return { position, id: text.charCodeAt(0) || 0, text, isPrompt: false, ffn, attention: [], ...more };
}

const MODEL: Model = {
  stage: 'mixture',
  step: 80,
  layers: 3,
  ffnExperts: ['seed', 'sums', 'zero'].map((name, i) => ({ name, kind: i === 2 ? 'zero' : 'ffn' })),
  removed: [{ layer: 1, expert: 1 }],
  attentionExperts: ['seed', 'sums'],
  parameters: 1000,
  context: 8,
};

describe('the routing of tokens', () => {
  const mixed = token(0, 'a', [
    [
      [0, 0.6],
      [1, 0.2],
    ],
    [],
    [
      [1, 0.9],
      [2, 0.3],
    ],
  ]);

  it('colours by the largest gate of a layer, or by the largest sum of gates', () => {
    assert.deepEqual(sharesOf(mixed, 0), [
      { expert: 0, share: 0.6 / 0.8 },
      { expert: 1, share: 0.2 / 0.8 },
    ]);
    const all = sharesOf(mixed, 'all');
    assert.deepEqual(
      all.map(({ expert }) => expert),
      [1, 0, 2],
    );
    // 0.6, 1.1 and 0.3 of 2.
    [0.55, 0.3, 0.15].forEach((share, i) => assert.ok(Math.abs(all[i]!.share - share) < 1e-12));
    assert.equal(mainExpert(mixed, 'all')?.expert, 1);
    assert.equal(mainExpert(mixed, 1), undefined, 'a dense layer');
    assert.equal(mainExpert(mixed, 7), undefined, 'a layer that there is not');
  });

  it('counts choices as load, and gates where every token has all experts', () => {
    const one = token(0, 'a', [[[0, 1]], [[1, 1]]]);
    const two = token(1, 'b', [[[0, 1]], [[0, 1]]]);
    assert.deepEqual(loadsOf([one, two], 0, 3), [1, 0, 0]);
    assert.deepEqual(loadsOf([one, two], 1, 3), [0.5, 0.5, 0]);
    assert.deepEqual(loadsOf([one, two], 'all', 3), [0.75, 0.25, 0]);
    assert.deepEqual(loadsOf([], 'all', 2), [0, 0]);
    const soft = token(0, 'a', [
      [
        [0, 0.75],
        [1, 0.25],
      ],
    ]);
    assert.deepEqual(loadsOf([soft], 'all', 2), [0.75, 0.25]);
  });

  it('has the perplexity of what has a probability', () => {
    const known = [0.5, 0.125].map((probability) => ({ logProbability: Math.log(probability) }));
    assert.ok(Math.abs(perplexityOf([{}, ...known])! - 4) < 1e-12);
    assert.equal(perplexityOf([{}]), undefined);
  });

  it('finds the tokens of a continuation that are others', () => {
    const base = ['a', 'b', 'c'].map((text, i) => token(i, text));
    const other = ['x', 'b', 'd', 'e'].map((text, i) => token(i, text, [], { isPrompt: i === 0 }));
    assert.deepEqual([...differences(base, other)], [2, 3]);
  });
});

describe('a change of routing', () => {
  const layers = [0, 1, 2];

  it('is switched on and off, with one forced expert a layer, and none both off and forced', () => {
    const off = toggled(NO_CHANGE, 'off', 0, layers, []);
    assert.deepEqual(off, { off: layers.map((layer) => ({ layer, expert: 0 })), force: [] });
    const forced = toggled(off, 'force', 0, [1], []);
    assert.deepEqual(forced.force, [{ layer: 1, expert: 0 }]);
    assert.deepEqual(
      forced.off.map(({ layer }) => layer),
      [0, 2],
    );
    const other = toggled(forced, 'force', 2, layers, []);
    assert.deepEqual(
      other.force.map(({ layer, expert }) => [layer, expert]),
      [
        [0, 2],
        [1, 2],
        [2, 2],
      ],
    );
    assert.deepEqual(toggled(other, 'force', 2, layers, []).force, []);
  });

  it('leaves out the layers that an expert was removed from', () => {
    const { removed } = MODEL;
    const off = toggled(NO_CHANGE, 'off', 1, layers, removed);
    assert.deepEqual(
      off.off.map(({ layer }) => layer),
      [0, 2],
    );
    assert.equal(stateOf(off, 'off', 1, layers, removed), 'all');
    assert.equal(stateOf(off, 'off', 1, [1], removed), 'none');
    assert.equal(stateOf({ ...off, off: off.off.slice(1) }, 'off', 1, layers, removed), 'some');
  });

  it('concerns the layers that have experts, as far as tokens show it', () => {
    assert.deepEqual(layersOf(MODEL, 'all', []), [0, 1, 2]);
    const seen = [token(0, 'a', [[[0, 1]], [], []]), token(1, 'b', [[[0, 1]], [], [[0, 1]]])];
    assert.deepEqual(layersOf(MODEL, 'all', seen), [0, 2]);
    assert.deepEqual(layersOf(MODEL, 1, seen), []);
  });

  it('is told in words', () => {
    const change = {
      off: [
        { layer: 2, expert: 1 },
        { layer: 0, expert: 1 },
      ],
      force: [{ layer: 1, expert: 0 }],
    };
    assert.equal(describeChange(change, MODEL), 'sums off in layers 0, 2; seed forced in layer 1');
  });
});

describe('the text of tokens', () => {
  it('has marks for what cannot be seen', () => {
    const shown = (text: string): string =>
      piecesOf(text)
        .map((piece) => piece.text)
        .join('');
    assert.equal(shown(' the\tend'), '·the⇥end');
    assert.equal(shown('é😀'), 'é😀');
    assert.equal(shown(''), PART);
    assert.equal(shown('\u0000'), PART);
    assert.deepEqual(
      piecesOf('a\nb').map(({ text, isMark, endsLine }) => [text, isMark, endsLine]),
      [
        ['a', false, false],
        ['↵', true, true],
        ['b', false, false],
      ],
    );
  });

  it('is as long as a context holds at most, without a character cut in two', () => {
    assert.equal(fitting('abcdef', 5), 'abcd');
    assert.equal(fitting('aéé', 5), 'aé');
    assert.equal(fitting('ab', 4), 'ab');
  });
});

describe('the form', () => {
  const form = formSchema.parse({ prompt: 'Once' });

  it('is read into settings, with what is left empty left out', () => {
    const settings = { prompt: 'Once', tokens: 64, sampling: { temperature: 0.8, seed: 1 }, stop: [] };
    assert.deepEqual(readForm(form), { settings });
    const more = readForm({ ...form, topK: '5', topP: '0.9', stop: '\\n, END' });
    assert.deepEqual(more, {
      settings: { ...settings, sampling: { ...settings.sampling, topK: 5, topP: 0.9 }, stop: ['\n', 'END'] },
    });
  });

  it('says which field cannot be used', () => {
    const problemsOf = (change: object): string[] => {
      const read = readForm({ ...form, ...change });
      return 'problems' in read ? Object.keys(read.problems) : [];
    };
    assert.deepEqual(problemsOf({ prompt: '' }), ['prompt']);
    assert.deepEqual(problemsOf({ tokens: '-1', temperature: 'hot', seed: '1.5' }), ['tokens', 'temperature', 'seed']);
    assert.deepEqual(problemsOf({ topK: '0', topP: '1.1' }), ['topK', 'topP']);
    assert.deepEqual(problemsOf({ temperature: '' }), ['temperature']);
    assert.deepEqual(problemsOf({ tokens: '0', temperature: '0' }), []);
  });

  it('reads stop strings with escapes', () => {
    assert.deepEqual(readStops(' a , \\n\\n,x\\,y, \\s,, \\\\'), ['a', '\n\n', 'x,y', ' ', '\\']);
    assert.deepEqual(readStops(''), []);
  });
});

describe('shares and lines', () => {
  it('are told so that small shares are not none', () => {
    assert.deepEqual([0, 0.00042, 0.034, 0.5, 1].map(formatShare), ['0.0 %', '0.042 %', '3.4 %', '50.0 %', '100.0 %']);
  });

  it('are other lines for experts of one colour', () => {
    assert.notEqual(lineOf(0), lineOf(8));
    assert.notEqual(lineOf(0), lineOf(1));
  });

  it('have a row for each domain in a file', () => {
    const tokens = [token(0, 'a', [[[0, 1]]]), token(1, 'b', [[[1, 1]]])];
    const { header, rows } = loadNumbers(MODEL, [{ domain: 'law', texts: ['ab'], tokens }], 'all');
    assert.deepEqual(header, ['domain', 'documents', 'tokens', '0 seed', '1 sums', '2 zero']);
    assert.deepEqual(rows, [['law', 1, 2, 0.5, 0.5, 0]]);
  });
});

describe('asking for answers', () => {
  const asked: Asked = {
    checkpoint: { run: 'r', stage: 'mixture', step: 80 },
    prompt: 'a',
    tokens: 2,
    sampling: { temperature: 0, seed: 1 },
    stop: [],
  };
  const changed = { ...asked, routing: { off: [], force: [{ layer: 0, expert: 1 }] } };
  const done = (id: number) => ({ type: 'done', id, reason: 'length', seconds: 1 }) as const;

  function setUp(): { asking: Asking; sent: ExplorerRequest[] } {
    const sent: ExplorerRequest[] = [];
    let next = 1;
    return {
      sent,
      asking: new Asking(
        (request) => sent.push(request),
        () => next++,
      ),
    };
  }

  it('asks again only for what is not answered, and stops what is no longer wanted', () => {
    const { asking, sent } = setUp();
    asking.generate([{ side: 'shown', asked }]);
    asking.receive({ type: 'tokens', id: 1, tokens: [token(0, 'a')] });
    asking.receive(done(1));
    asking.generate([
      { side: 'shown', asked },
      { side: 'changed', asked: changed },
    ]);
    assert.deepEqual(
      sent.map((request) => 'id' in request && request.id),
      [1, 2],
      'the first was answered',
    );
    assert.equal(asking.answers[0]!.tokens.length, 1);
    asking.generate([{ side: 'shown', asked: { ...asked, prompt: 'b' } }]);
    assert.deepEqual(
      sent.slice(2).map((request) => ('id' in request ? [request.type, request.id] : [])),
      [
        ['generate', 3],
        ['stop', 2],
      ],
    );
    assert.equal(asking.receive(done(2)), false, 'it is no longer shown');
    assert.ok(asking.isBusy);
  });

  it('reads texts beside what is shown', async () => {
    const { asking } = setUp();
    const good = asking.read(asked);
    const bad = asking.read(asked);
    asking.receive({ type: 'model', id: 1, model: MODEL });
    asking.receive({ type: 'tokens', id: 1, tokens: [token(0, 'a')] });
    asking.receive(done(1));
    asking.receive({ type: 'failed', id: 2, message: 'no memory' });
    const { model, tokens } = await good;
    assert.deepEqual([model, tokens.length], [MODEL, 1]);
    await assert.rejects(bad, /no memory/);
    assert.deepEqual(asking.answers, []);
  });

  it('recalls what was shown, in whatever order its tokens come, and forgets what is gone', () => {
    const { asking, sent } = setUp();
    asking.recall([
      { id: 7, side: 'shown', asked },
      { id: 8, side: 'changed', asked: changed },
    ]);
    assert.deepEqual(sent, [{ type: 'recall', ids: [7, 8] }]);
    asking.receive({ type: 'tokens', id: 7, tokens: [token(2, 'c')] });
    assert.deepEqual(asking.answers[0]!.tokens, [], 'what comes before the rest has no place yet');
    asking.receive({ type: 'tokens', id: 7, tokens: ['a', 'b', 'c'].map((text, i) => token(i, text)) });
    asking.receive({ type: 'tokens', id: 7, tokens: [token(2, 'c'), token(3, 'd')] });
    assert.equal(asking.answers[0]!.tokens.map(({ text }) => text).join(''), 'abcd');
    asking.receive({ type: 'forgotten', id: 8 });
    assert.deepEqual(
      asking.answers.map(({ id }) => id),
      [7],
    );
  });

  it('does not take a stopped or failed answer for one', () => {
    const answer: Answer = { id: 1, side: 'shown', asked, tokens: [] };
    assert.equal(answerTo({ ...asked }, [answer]), answer);
    take(answer, { ...done(1), reason: 'stopped' });
    assert.equal(answerTo(asked, [answer]), undefined);
    assert.match(progressOf(answer), /stopped/);
    take(answer, { type: 'failed', id: 1, message: 'no' });
    assert.equal(answerTo(asked, [answer]), undefined);
  });
});
