import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { EngineError } from '../../src/base/errors';
import { startBackend } from '../../src/engine/backend';
import { resizeTape } from '../../src/engine/graph/resize-tape';
import { Graph } from '../../src/engine/graph/graph';
import { Message } from '../../src/engine/graph/protobuf';
import { Session } from '../../src/engine/graph/session';
import { record, type Tape, tensorId } from '../../src/engine/graph/tape';
import { addStart, addVariable, startName } from '../../src/engine/graph/variables';
import { nativeBackend } from '../../src/engine/ops/native';

describe('the wire format of protocol buffers', () => {
  const hex = (message: Message): string => Buffer.from(message.encode()).toString('hex');

  it('is that of the examples in its specification', () => {
    assert.equal(hex(new Message().integer(1, 150)), '089601');
    assert.equal(hex(new Message().bytes(2, 'testing')), '120774657374696e67');
    assert.equal(hex(new Message().bytes(3, new Message().integer(1, 150))), '1a03089601');
    assert.equal(hex(new Message().integer(1, -2)), '08feffffffffffffffff01');
    assert.equal(hex(new Message().float(1, 1)), '0d0000803f');
  });
});

interface Recording {
  tape: Tape;
  leaves: Map<number, string>;
}

/** Records a computation on a tensor of some numbers; the tape calls that tensor `x`. */
function recordOn(values: number[], code: (x: tf.Tensor) => tf.Tensor): Recording {
  const backend = nativeBackend()!;
  let recording: Recording | undefined;
  tf.tidy(() => {
    const x = tf.tensor1d(values);
    const leaves = new Map([[tensorId(backend, x), 'x']]);
    recording = { leaves, tape: record(backend, () => void code(x)).tape };
  });
  return recording!;
}

describe('a tape', () => {
  before(() => startBackend('native'));

  const compare = (code: (x: tf.Tensor) => tf.Tensor): Tape =>
    resizeTape({ ...recordOn([1], code), sequences: 1 }, { ...recordOn([3, 4], code), sequences: 2 }, 4);

  it('is the same for other inputs where only the inputs differ', () => {
    compare((x) => tf.mul(tf.add(x, 2), tf.scalar(0.5)));
  });

  it('gets the size of another batch: lengths, parts of a mean, and fills', () => {
    const { operations, constants } = compare((x) => {
      const size = x.shape[0]!;
      return tf.mul(tf.reshape(x, [size, 1]), tf.add(tf.zeros([size, 1]), tf.scalar(1 / size)));
    });
    const values = operations.flatMap(({ inputs }) => inputs).map((id) => constants.get(id)?.values);
    const found = values.filter((numbers) => numbers !== undefined).map((numbers) => [...numbers].join(' '));
    for (const expected of ['4 1', '0.25', '0 0 0 0'])
      assert.ok(found.includes(expected), `${expected} in ${found.join(', ')}`);
  });

  it('shows a number that does not follow from the size', () => {
    const code = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.scalar(Math.sqrt(x.shape[0]!)));
    assert.throws(() => compare(code), /works out input 1 of operation 0 \(Mul\)/);
  });

  it('shows numbers of the data that became a constant', () => {
    const code = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.tensor1d([0, 1, 5].slice(0, x.shape[0])));
    assert.throws(() => compare(code), /works out input 1 of operation 0 \(Mul\)/);
  });

  it('shows a number that the host changes from step to step', () => {
    let rate = 2;
    assert.throws(() => compare((x) => tf.mul(tf.add(x, 1), (rate += 1.5))), /input 1 of operation 1 \(Mul\)/);
  });

  it('shows other operations, and another number of them', () => {
    let times = 0;
    assert.throws(() => compare((x) => (times++ ? tf.exp(x) : tf.sqrt(x))), /operation 0 \(Sqrt\)/);
    assert.throws(() => compare((x) => (times++ % 2 ? tf.exp(x) : tf.exp(tf.exp(x)))), /operations once and/);
  });

  it('cannot be made of code that reads numbers back, and the backend works on as before', () => {
    const read = (): unknown => recordOn([1], (x) => tf.scalar(tf.exp(x).dataSync()[0]!));
    assert.throws(
      read,
      (error) => error instanceof EngineError && error.reason === 'host-read' && /Exp/.test(error.message),
    );
    tf.tidy(() => assert.deepEqual([...tf.square(tf.tensor1d([3])).dataSync()], [9]));
  });
});

describe('a session', () => {
  before(() => startBackend('native'));

  it('keeps variables between runs, as copies of what it was fed with', () => {
    const graph = new Graph();
    const variable = addVariable(graph, 'v', [2]);
    addStart(graph, [variable], 'started');
    const session = Session.load(nativeBackend()!.binding, graph);
    const values = Float32Array.of(3, 4);
    session.run({ [startName(variable)]: { shape: [2], values } }, ['started']);
    values.fill(0);
    assert.deepEqual([...session.run({}, [variable.value])[0]!], [3, 4]);
    session.dispose();
  });

  it('says what TensorFlow says of a graph that it does not take', () => {
    const graph = new Graph();
    graph.add('NoSuchOperation', []);
    const load = (): unknown => Session.load(nativeBackend()!.binding, graph);
    assert.throws(load, (error) => error instanceof EngineError && /NoSuchOperation/.test(error.message));
  });

  it('writes equal constants once', () => {
    const graph = new Graph();
    assert.equal(graph.scalar(2), graph.scalar(2));
    assert.notEqual(graph.scalar(2), graph.scalar(3));
    assert.equal(graph.nodes.length, 2);
  });
});
