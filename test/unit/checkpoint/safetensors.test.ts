import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  readSafetensors,
  readSafetensorsHeader,
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

  it('says which tensor has a type that is not read, but lists it', () => {
    withHeader('{"half":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}');
    assert.throws(() => readSafetensors(path), {
      reason: 'dtype',
      message: /Tensor half .*float32 \(F32\), found F16/,
    });
    assert.equal(readSafetensorsHeader(path).tensors.get('half')?.dtype, 'F16');
  });

  it('says that the disk is full (needs root on Linux)', function () {
    withSmallDisk(this, 64, (disk) => {
      const target = join(disk, 'big.safetensors');
      const values = new Float32Array(50_000);
      assert.throws(() => writeSafetensors(target, [['x', { shape: [50_000], values }]], {}), {
        reason: 'no-space',
        message: /big\.safetensors/,
      });
    });
  });
});
