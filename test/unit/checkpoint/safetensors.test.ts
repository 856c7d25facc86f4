import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  readSafetensors,
  readSafetensorsHeader,
  readTensor,
  type StoredTensor,
  writeSafetensors,
} from '../../../src/checkpoint/safetensors';
import { withSmallDisk } from '../base/small-disk';

describe('safetensors', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-safetensors-'));
    path = join(folder, 'a.safetensors');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const tensors: [string, StoredTensor][] = [
    ['a.weight', { shape: [2, 3], values: Float32Array.of(0, -0, 1e-45, 3.4e38, NaN, -Infinity) }],
    ['ünï', { shape: [], values: Float32Array.of(7) }],
    ['empty', { shape: [0, 4], values: new Float32Array(0) }],
    // A view into a longer buffer, as a slice of a larger tensor is.
    ['view', { shape: [2], values: new Float32Array([9, 1, 2, 9]).subarray(1, 3) }],
  ];

  it('gives back names, shapes, metadata and values to the bit', () => {
    writeSafetensors(path, tensors, { format: 'pt', text: '{"a":"ü"}' });
    const found = readSafetensors(path);
    assert.deepEqual(found.metadata, { format: 'pt', text: '{"a":"ü"}' });
    assert.deepEqual([...found.tensors.keys()], ['a.weight', 'ünï', 'empty', 'view']);
    for (const [name, { shape, values }] of tensors) {
      const { shape: foundShape, values: foundValues } = found.tensors.get(name)!;
      assert.deepEqual(foundShape, shape);
      assert.deepEqual(new Uint32Array(foundValues.slice().buffer), new Uint32Array(values.slice().buffer), name);
    }
    assert.deepEqual([...readSafetensors(path, (name) => name === 'view').tensors.keys()], ['view']);
  });

  it('is laid out as the format says: length, JSON padded to 8 bytes, values in little-endian order', () => {
    writeSafetensors(path, [['x', { shape: [2], values: Float32Array.of(1, -2) }]], {});
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    assert.equal(length % 8, 0);
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8')) as object;
    assert.deepEqual(header, { __metadata__: {}, x: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } });
    assert.equal(bytes.length, 8 + length + 8);
    assert.deepEqual([bytes.readFloatLE(8 + length), bytes.readFloatLE(12 + length)], [1, -2]);
  });

  const refuses = (message: RegExp) =>
    assert.throws(() => readSafetensors(path), { name: 'CheckpointError', reason: 'damaged', message });

  it('names the file, and the tensor, where it is cut short', () => {
    writeSafetensors(path, tensors, {});
    const size = readFileSync(path).length;
    truncateSync(path, size - 1);
    refuses(
      new RegExp(
        `a\\.safetensors is not a whole safetensors file: tensor view should end at byte ${size}, the file has ${size - 1}`,
      ),
    );
    truncateSync(path, 20);
    refuses(/a\.safetensors is not .* its header should have \d+ bytes, the file has 20/);
    truncateSync(path, 3);
    refuses(/it has 3 bytes, a header needs at least 8/);
    truncateSync(path, 0);
    refuses(/it has 0 bytes/);
  });

  /** Writes a file with a header of its own. */
  function withHeader(header: string, data = Buffer.alloc(8)): void {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
    writeFileSync(path, Buffer.concat([length, Buffer.from(header), data]));
  }

  it('refuses a header that is no header', () => {
    for (const header of ['not json', 'null', '[]', '"text"']) {
      withHeader(header);
      refuses(/its header is not a JSON object/);
    }
    const entries = [
      'null',
      '{"dtype":"F32","shape":[2]}',
      '{"dtype":"F32","shape":[3],"data_offsets":[0,8]}',
      '{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}',
      '{"dtype":"F32","shape":[2.5],"data_offsets":[0,10]}',
    ];
    for (const entry of entries) {
      withHeader(`{"x":${entry}}`);
      refuses(/the entry of tensor x in its header is malformed/);
    }
    const huge = Buffer.alloc(16);
    huge.writeBigUInt64LE(2n ** 40n);
    writeFileSync(path, huge);
    refuses(/its header should have 1099511627776 bytes, the file has 16/);
  });

  /** A file of one header and its data. */
  const writeRaw = (header: object, data: Uint8Array): void => {
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(path, Buffer.concat([length, text, data]));
  };

  it('refuses tensors that share their bytes', () => {
    const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    writeRaw({ a: entry, b: { ...entry, shape: [1], data_offsets: [4, 8] } }, new Uint8Array(8));
    assert.throws(() => readSafetensorsHeader(path), { reason: 'damaged', message: /tensor b overlaps/ });
    writeRaw({ a: entry, b: { ...entry, data_offsets: [8, 16] } }, new Uint8Array(16));
    assert.equal(readSafetensorsHeader(path).tensors.size, 2);
  });

  it('reads numbers of 16 bits as the same numbers of 32', () => {
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x83ff, 0x0400, 0xfbff, 0x8000, 0x3555, 0x7c00, 0xfc00);
    const brains = Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f80, 0x4049);
    const data = Buffer.concat([Buffer.from(halves.buffer), Buffer.from(brains.buffer)]);
    writeRaw(
      {
        half: { dtype: 'F16', shape: [2, 5], data_offsets: [0, 20] },
        brain: { dtype: 'BF16', shape: [5], data_offsets: [20, 30] },
      },
      data,
    );
    const header = readSafetensorsHeader(path);
    // float16: 10 bits of fraction behind the point, exponents from -14 on, below that multiples of 2^-24.
    const expected = [1, -2, 2 ** -24, -1023 * 2 ** -24, 2 ** -14, -65504, -0, 1365 / 4096, Infinity, -Infinity];
    assert.deepEqual([...readTensor(path, header, 'half')], expected);
    // bfloat16: 7 bits of fraction, the exponents of float32.
    assert.deepEqual([...readTensor(path, header, 'brain')], [1, -2, 2 ** -133, Infinity, 201 / 64]);
  });

  it('reads a tensor that is longer than what is read at a time', () => {
    const values = Float32Array.from({ length: 3 * 2 ** 20 + 1 }, (_, i) => i);
    writeSafetensors(
      path,
      [
        ['first', { shape: [1], values: Float32Array.of(9) }],
        ['long', { shape: [values.length], values }],
      ],
      {},
    );
    assert.deepEqual(readTensor(path, readSafetensorsHeader(path), 'long'), values);
    const halves = new Uint8Array(2 * (2 ** 21 + 3)).fill(0x3c);
    writeRaw({ x: { dtype: 'BF16', shape: [2 ** 21 + 3], data_offsets: [0, halves.length] } }, halves);
    const widened = readTensor(path, readSafetensorsHeader(path), 'x');
    const bits = new Uint32Array(widened.buffer);
    assert.ok(bits.length === 2 ** 21 + 3 && bits.every((word) => word === 0x3c3c0000));
  });

  it('says which tensor has a type that is not read, but lists it', () => {
    withHeader('{"half":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}');
    assert.throws(() => readSafetensors(path), {
      reason: 'dtype',
      message: /Tensor half .*float32 \(F32\), found F16/,
    });
    assert.equal(readSafetensorsHeader(path).tensors.get('half')?.dtype, 'F16');
  });

  it('says that the disk is full (needs root on Linux)', function () {
    return withSmallDisk(this, 64, (disk) => {
      const target = join(disk, 'big.safetensors');
      const values = new Float32Array(50_000);
      assert.throws(() => writeSafetensors(target, [['x', { shape: [50_000], values }]], {}), {
        reason: 'no-space',
        message: /big\.safetensors/,
      });
    });
  });
});
