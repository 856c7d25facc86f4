import { createHash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readSync } from 'node:fs';
import { CheckpointError } from '../base/errors';
import { halfTable } from '../base/half';
import { diskError, writeAll } from '../base/files';

/** Largest header that is read, in bytes (the format's own limit). */
export const MAXIMUM_HEADER_LENGTH = 100_000_000;

/** One tensor of a safetensors file, float32. */
export interface StoredTensor {
  shape: number[];
  values: Float32Array;
}

/** Bytes of one number, of the types whose numbers are read. */
const BYTES: Partial<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };
/** How much of a tensor is read at a time where its numbers have to be converted. */
const CHUNK_BYTES = 1 << 22;

interface HeaderEntry {
  dtype: string;
  shape: number[];
  /** Bytes from the start of the data section. */
  data_offsets: [number, number];
}

/** The header of a safetensors file: what it holds, without the values. */
export interface SafetensorsHeader {
  metadata: Record<string, string>;
  tensors: Map<string, HeaderEntry>;
  /** Byte offset of the data section. */
  dataStart: number;
}

/** A file's size and checksum. */
export interface FileDigest {
  bytes: number;
  sha256: string;
}

/**
 * Writes tensors as a safetensors file and flushes it to disk. Throws a `BamError` (reason `no-space`) on a full disk.
 * The caller writes into a folder that is not yet in use, so that a cut file is never taken for a whole one.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<[string, StoredTensor]>,
  metadata: Record<string, string>,
): void {
  try {
    const handle = openSync(path, 'w');
    try {
      putSafetensors(handle, tensors, metadata);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw diskError(error, path);
  }
}

/** Writes tensors as a safetensors file into an open, empty one, without flushing it. */
export function putSafetensors(
  handle: number,
  tensors: Iterable<[string, StoredTensor]>,
  metadata: Record<string, string>,
): FileDigest {
  const entries = [...tensors];
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { shape, values }] of entries) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  // The data section starts at a multiple of 8 bytes, as the reference implementation pads it.
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(json.length + ((8 - (Buffer.byteLength(json) % 8)) % 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const hash = createHash('sha256');
  const put = (bytes: Buffer): void => {
    writeAll(handle, bytes);
    hash.update(bytes);
  };
  put(length);
  put(text);
  for (const [, { values }] of entries) put(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  return { bytes: length.length + text.length + offset, sha256: hash.digest('hex') };
}

/**
 * Reads and checks the header of a safetensors file. Throws a `CheckpointError` (reason `damaged`) that names the file where it
 * is cut short or is no safetensors file.
 */
export function readSafetensorsHeader(path: string): SafetensorsHeader {
  const handle = openSync(path, 'r');
  try {
    const size = fstatSync(handle).size;
    const damaged = (problem: string): CheckpointError =>
      new CheckpointError(`${path} is not a whole safetensors file: ${problem}.`, {
        reason: 'damaged',
        advice: 'It was probably cut short. Delete its folder; the stage then goes on from an earlier checkpoint.',
      });
    if (size < 8) throw damaged(`it has ${size} bytes, a header needs at least 8`);
    const headerLength = Number(readBytes(handle, 0, 8).readBigUInt64LE());
    if (headerLength > MAXIMUM_HEADER_LENGTH || 8 + headerLength > size) {
      throw damaged(`its header should have ${headerLength} bytes, the file has ${size}`);
    }
    return parseHeader(readBytes(handle, 8, headerLength).toString('utf8'), 8 + headerLength, size, damaged);
  } finally {
    closeSync(handle);
  }
}

function parseHeader(
  text: string,
  dataStart: number,
  size: number,
  damaged: (problem: string) => CheckpointError,
): SafetensorsHeader {
  const { __metadata__: metadata = {}, ...entries } = parseObject(text, damaged);
  if (!isTexts(metadata)) throw damaged('the metadata in its header should be texts by name');
  const tensors = new Map<string, HeaderEntry>();
  let bytes = 0;
  for (const [name, entry] of Object.entries(entries)) {
    if (!isHeaderEntry(entry)) throw damaged(`the entry of tensor ${name} in its header is malformed`);
    const end = dataStart + entry.data_offsets[1];
    if (end > size) throw damaged(`tensor ${name} should end at byte ${end}, the file has ${size}`);
    // Tensors that share their bytes would make a small file a large model.
    bytes += entry.data_offsets[1] - entry.data_offsets[0];
    if (bytes > size - dataStart) throw damaged(`tensor ${name} overlaps with others`);
    tensors.set(name, entry);
  }
  return { metadata, tensors, dataStart };
}

function isTexts(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string');
}

function parseObject(text: string, damaged: (problem: string) => CheckpointError): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Falls through to the error below.
  }
  throw damaged('its header is not a JSON object');
}

function isHeaderEntry(entry: unknown): entry is HeaderEntry {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Partial<HeaderEntry>;
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !Array.isArray(offsets) || offsets.length !== 2)
    return false;
  if (![...shape, ...offsets].every((n) => Number.isSafeInteger(n) && n >= 0)) return false;
  const elements = shape.reduce((product, n) => product * n, 1);
  const bytes = BYTES[dtype];
  return bytes === undefined ? offsets[0] <= offsets[1] : offsets[1] - offsets[0] === bytes * elements;
}

/** Reads the tensors that `wanted` accepts (all, if it is left out). Only float32 is read; another type throws. */
export function readSafetensors(
  path: string,
  wanted: (name: string) => boolean = () => true,
): { tensors: Map<string, StoredTensor>; metadata: Record<string, string> } {
  const { tensors: entries, metadata, dataStart } = readSafetensorsHeader(path);
  const tensors = new Map<string, StoredTensor>();
  const handle = openSync(path, 'r');
  try {
    for (const [name, { dtype, shape, data_offsets: offsets }] of entries) {
      if (!wanted(name)) continue;
      if (dtype !== 'F32') {
        throw new CheckpointError(`Tensor ${name} in ${path} should be float32 (F32), found ${dtype}.`, {
          reason: 'dtype',
        });
      }
      const bytes = readBytes(handle, dataStart + offsets[0], offsets[1] - offsets[0]);
      tensors.set(name, { shape, values: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) });
    }
  } finally {
    closeSync(handle);
  }
  return { tensors, metadata };
}

/**
 * One tensor of a file as float32, from F32, F16 or BF16. Its length is that of the bytes in the file, which the header was checked
 * against. Throws a `CheckpointError` (`damaged`) where the file has become shorter.
 */
export function readTensor(path: string, { tensors, dataStart }: SafetensorsHeader, name: string): Float32Array {
  const { dtype, data_offsets: offsets } = tensors.get(name)!;
  const size = BYTES[dtype]!;
  const values = new Float32Array((offsets[1] - offsets[0]) / size);
  const handle = openSync(path, 'r');
  try {
    for (let at = offsets[0]; at < offsets[1]; at += CHUNK_BYTES) {
      const bytes = readBytes(handle, dataStart + at, Math.min(CHUNK_BYTES, offsets[1] - at));
      const target = values.subarray((at - offsets[0]) / size, (at - offsets[0] + bytes.length) / size);
      if (dtype === 'F32') target.set(new Float32Array(bytes.buffer));
      else widen(new Uint16Array(bytes.buffer), target, dtype === 'BF16');
    }
  } finally {
    closeSync(handle);
  }
  return values;
}

/** Writes 16-bit numbers as float32: bfloat16 is its upper half. */
function widen(halves: Uint16Array, target: Float32Array, isBrain: boolean): void {
  if (isBrain) {
    const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
    return halves.forEach((half, i) => (bits[i] = half << 16));
  }
  const table = halfTable();
  halves.forEach((half, i) => (target[i] = table[half]!));
}

/** Bytes in a buffer of their own, so that they start where a Float32Array may. */
function readBytes(handle: number, position: number, length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length;) {
    const read = readSync(handle, bytes, done, Math.min(length - done, 1 << 30), position + done);
    if (read === 0)
      throw new CheckpointError(`A file ended at byte ${position + done} while it was read.`, { reason: 'damaged' });
    done += read;
  }
  return bytes;
}
