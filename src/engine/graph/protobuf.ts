/** Writes the wire format of protocol buffers: just enough to make a SavedModel. Field numbers are those of TensorFlow's .proto files. */
export class Message {
  private readonly parts: Uint8Array[] = [];

  /** A number of type int32, int64, bool or enum; negative ones take ten bytes, as the format says. */
  integer(field: number, value: number | boolean): this {
    this.parts.push(varint(BigInt(field * 8)), varint(BigInt.asUintN(64, BigInt(value))));
    return this;
  }

  float(field: number, value: number): this {
    this.parts.push(varint(BigInt(field * 8 + 5)), new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  /** Bytes, a text, or a message within this one. */
  bytes(field: number, value: Uint8Array | string | Message): this {
    const content = value instanceof Message ? value.encode() : typeof value === 'string' ? Buffer.from(value) : value;
    this.parts.push(varint(BigInt(field * 8 + 2)), varint(BigInt(content.length)), content);
    return this;
  }

  encode(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
