/**
 * A GGUF file as it is once read: metadata and where each tensor lies.
 * Source: the specification `docs/gguf.md` of ggml, versions 2 and 3.
 */
import type { TensorType } from "../model/model-shape.js";

/** Bytes that can be read anywhere: a file, a range of the collective, a buffer. */
export interface RandomAccess {
  readonly sizeBytes: number;
  /** Exactly `length` bytes; the caller asks for nothing beyond `sizeBytes`. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export type GgufNumberType =
  | "u8"
  | "i8"
  | "u16"
  | "i16"
  | "u32"
  | "i32"
  | "u64"
  | "i64"
  | "f32"
  | "f64";

/** 64-bit numbers that a double cannot hold exactly are `bigint`. */
export type GgufNumber = number | bigint;

export type GgufValue =
  | { readonly type: GgufNumberType; readonly value: GgufNumber }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly of: "string"; readonly values: readonly string[] }
  | { readonly type: "array"; readonly of: "bool"; readonly values: readonly boolean[] }
  | {
      readonly type: "array";
      readonly of: GgufNumberType;
      readonly values: readonly GgufNumber[];
    };

export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export interface GgufTensor {
  readonly name: string;
  /** As GGUF writes them: the first one is the length of a row, whose numbers lie together. */
  readonly dimensions: readonly number[];
  readonly type: TensorType;
  /** Of the first byte, from the beginning of the file. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** All dimensions but the first, multiplied. */
  readonly rows: number;
  /** From one row to the next. */
  readonly rowBytes: number;
}

export interface Gguf {
  readonly version: 2 | 3;
  readonly alignmentBytes: number;
  readonly metadata: GgufMetadata;
  /** In the order of the file's table. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** Where the tensors begin. */
  readonly dataOffset: number;
  readonly sizeBytes: number;
}

/** The numbers of the value types, as GGUF writes them. */
export const GGUF_VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

/** `GGUF` in ASCII, little-endian. */
export const GGUF_MAGIC = 0x46554747;
export const GGUF_ALIGNMENT_DEFAULT = 32;

export const GGUF_NUMBER_BYTES: Readonly<Record<GgufNumberType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  f32: 4,
  f64: 8,
};
