/** Writes GGUF version 3: for the tools that make small models, and for tests. */

import type { TensorType } from "../model/model-shape.js";
import {
  GGUF_ALIGNMENT_DEFAULT,
  GGUF_MAGIC,
  GGUF_NUMBER_BYTES,
  GGUF_VALUE_TYPES,
  type GgufMetadata,
  type GgufNumber,
  type GgufNumberType,
  type GgufValue,
} from "./gguf.js";
import { rowBytesOf, TENSOR_TYPES } from "./tensor-types.js";

export interface GgufTensorSource {
  readonly name: string;
  /** The length of a row first. */
  readonly dimensions: readonly number[];
  readonly type: TensorType;
  /** All bytes, in pieces of any length. */
  pieces(): Iterable<Uint8Array>;
}

/** The file in pieces, in order; never more than one piece is in memory. */
export function* ggufPieces(
  metadata: GgufMetadata,
  tensors: readonly GgufTensorSource[],
): Generator<Uint8Array, void, undefined> {
  const header = encodeHeader(metadata, tensors);
  yield header;
  yield new Uint8Array(padding(header.length));
  for (const tensor of tensors) {
    let written = 0;
    for (const piece of tensor.pieces()) {
      written += piece.length;
      yield piece;
    }
    const expected = tensorBytes(tensor);
    if (written !== expected) {
      throw new RangeError(`${tensor.name} has ${written} bytes in place of ${expected}`);
    }
    yield new Uint8Array(padding(written));
  }
}

/** The whole file in memory. */
export function ggufBytes(
  metadata: GgufMetadata,
  tensors: readonly GgufTensorSource[],
): Uint8Array {
  return new Uint8Array(Buffer.concat([...ggufPieces(metadata, tensors)]));
}

function padding(length: number): number {
  return (GGUF_ALIGNMENT_DEFAULT - (length % GGUF_ALIGNMENT_DEFAULT)) % GGUF_ALIGNMENT_DEFAULT;
}

function tensorBytes({ type, dimensions }: GgufTensorSource): number {
  return rowBytesOf(
    type,
    dimensions.reduce((product, size) => product * size, 1),
  );
}

function encodeHeader(metadata: GgufMetadata, tensors: readonly GgufTensorSource[]): Uint8Array {
  const out = new HeaderWriter();
  out.number("u32", GGUF_MAGIC);
  out.number("u32", 3);
  out.number("u64", tensors.length);
  out.number("u64", metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    out.value(value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    out.string(tensor.name);
    out.number("u32", tensor.dimensions.length);
    for (const size of tensor.dimensions) out.number("u64", size);
    out.number("u32", TENSOR_TYPES[tensor.type].id);
    out.number("u64", offset);
    const bytes = tensorBytes(tensor);
    offset += bytes + padding(bytes);
  }
  return out.bytes();
}

class HeaderWriter {
  readonly #pieces: Uint8Array[] = [];

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#pieces));
  }

  string(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    this.number("u64", bytes.length);
    this.#pieces.push(bytes);
  }

  value(value: GgufValue): void {
    this.number("u32", GGUF_VALUE_TYPES.indexOf(value.type));
    if (value.type === "string") this.string(value.value);
    else if (value.type === "bool") this.number("u8", value.value ? 1 : 0);
    else if (value.type !== "array") this.number(value.type, value.value);
    else this.#array(value);
  }

  #array(array: Extract<GgufValue, { type: "array" }>): void {
    this.number("u32", GGUF_VALUE_TYPES.indexOf(array.of));
    this.number("u64", array.values.length);
    if (array.of === "string") for (const value of array.values) this.string(value);
    else if (array.of === "bool") for (const value of array.values) this.number("u8", +value);
    else for (const value of array.values) this.number(array.of, value);
  }

  number(type: GgufNumberType, value: GgufNumber): void {
    const bytes = new Uint8Array(GGUF_NUMBER_BYTES[type]);
    NUMBER_WRITERS[type](new DataView(bytes.buffer), value);
    this.#pieces.push(bytes);
  }
}

type NumberWriter = (view: DataView, value: GgufNumber) => void;

const NUMBER_WRITERS: Readonly<Record<GgufNumberType, NumberWriter>> = {
  u8: (view, value) => view.setUint8(0, Number(value)),
  i8: (view, value) => view.setInt8(0, Number(value)),
  u16: (view, value) => view.setUint16(0, Number(value), true),
  i16: (view, value) => view.setInt16(0, Number(value), true),
  u32: (view, value) => view.setUint32(0, Number(value), true),
  i32: (view, value) => view.setInt32(0, Number(value), true),
  f32: (view, value) => view.setFloat32(0, Number(value), true),
  u64: (view, value) => view.setBigUint64(0, BigInt(value), true),
  i64: (view, value) => view.setBigInt64(0, BigInt(value), true),
  f64: (view, value) => view.setFloat64(0, Number(value), true),
};
