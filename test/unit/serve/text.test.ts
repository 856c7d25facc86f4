import assert from 'node:assert/strict';
import { loadTokenizer } from '../../../src/data/tokenizer';
import type { ServedToken } from '../../../src/plan/serving';
import { StopText } from '../../../src/serve/stop-text';
import { TextStream } from '../../../src/serve/text-stream';

const bytes = loadTokenizer('bytes', '.');

/** What each token adds to the text. */
function pieces(ids: Iterable<number>, tokenizer: { decode(ids: readonly number[]): string } = bytes): string[] {
  const stream = new TextStream(tokenizer);
  return Array.from(ids, (id) => stream.push(id));
}

describe('text of tokens that come one by one', () => {
  it('has a character once all of its bytes are there', () => {
    assert.deepEqual(pieces(bytes.encode('aé€😀b')), ['a', '', 'é', '', '', '€', '', '', '', '😀', 'b']);
  });

  it('shows bytes that are no character behind the next character, or once they cannot become one', () => {
    assert.deepEqual(pieces([0xff, 97]), ['', '\uFFFDa']);
    assert.deepEqual(pieces([0xff, 0xff, 0xff, 0xff, 97]), ['', '', '', '\uFFFD'.repeat(4), 'a']);
  });

  it('leaves out the end of a document', () => {
    assert.deepEqual(pieces([97, 256, 98]), ['a', '', 'b']);
  });

  it('keeps spaces that a tokenizer drops in front of a text', () => {
    const words = ['▁Hello', '▁world', '!'];
    const decode = (ids: readonly number[]): string =>
      ids
        .map((id) => words[id]!)
        .join('')
        .replaceAll('▁', ' ')
        .replace(/^ /, '');
    assert.deepEqual(pieces([0, 1, 2], { decode }), ['Hello', ' world', '!']);
  });
});

/** Sends tokens with these texts through, and gives what is shown after each, and whether it stopped. */
function shown(stops: string[], texts: string[]): { steps: string[][]; isStopped: boolean; rest: string[] } {
  const stop = new StopText(stops);
  const steps: string[][] = [];
  let isStopped = false;
  for (const [position, text] of texts.entries()) {
    const token: ServedToken = { position, id: 0, text, isPrompt: false, ffn: [], attention: [] };
    const found = stop.push(token);
    steps.push(found.tokens.map((one) => one.text));
    isStopped = found.isStopped;
    if (isStopped) break;
  }
  return { steps, isStopped, rest: isStopped ? [] : stop.rest().map(({ text }) => text) };
}

describe('texts that end a continuation', () => {
  it('are found across tokens; what stands before them is shown, they and what follows are not', () => {
    assert.deepEqual(shown(['END'], ['ab', 'cE', 'ND', 'x']), {
      steps: [['ab'], [], ['c']],
      isStopped: true,
      rest: [],
    });
  });

  it('hold tokens back only while they may begin', () => {
    assert.deepEqual(shown(['\n\n'], ['a', '\n', 'b', '\n', '\n']), {
      steps: [['a'], [], ['\n', 'b'], [], []],
      isStopped: true,
      rest: [],
    });
  });

  it('give back what was held where nothing follows', () => {
    assert.deepEqual(shown(['END'], ['aE', 'N']), { steps: [[], []], isStopped: false, rest: ['aE', 'N'] });
  });

  it('the earliest of several counts, also within one token', () => {
    assert.deepEqual(shown(['yz', 'x'], ['wxyz']), { steps: [['w']], isStopped: true, rest: [] });
  });

  it('are found where a false beginning overlaps the true one', () => {
    assert.deepEqual(shown(['aab'], ['a', 'a', 'a', 'b']).steps, [[], [], ['a'], []]);
  });

  it('let tokens without text through', () => {
    assert.deepEqual(shown(['é!'], ['', 'é', '', 'a']).steps, [[''], [], [], ['é', '', 'a']]);
  });

  it('without any, everything is shown at once', () => {
    assert.deepEqual(shown([], ['a', 'b']), { steps: [['a'], ['b']], isStopped: false, rest: [] });
  });
});
