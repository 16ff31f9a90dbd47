/** Reads the values of a GGUF header out of the part of it that is there. */
import {
  GGUF_NUMBER_BYTES,
  GGUF_VALUE_TYPES,
  type GgufNumber,
  type GgufNumberType,
  type GgufValue,
} from "./gguf.js";
import { GGUF_ARRAY_VALUES_MAX, GGUF_STRING_BYTES_MAX } from "./limits.js";
import { damaged, unsupported } from "./model-errors.js";

/** The part that is there ends before the header does: read more and begin again. */
export class HeaderIncomplete extends Error {}

/** A string is at least its length. */
const STRING_BYTES_MIN = 8;
const BOOL_BYTES = 1;

export class HeaderCursor {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #sizeBytes: number;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #arrayValues = 0;

  /** `sizeBytes` is of the whole file; no claim may go beyond it. */
  constructor(bytes: Uint8Array, sizeBytes: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#sizeBytes = sizeBytes;
  }

  /** Steps over `length` bytes and gives where they begin. */
  #take(length: number, what: string): number {
    const from = this.position;
    if (from + length > this.#sizeBytes) throw damaged(`the file ends within ${what}`);
    if (from + length > this.#bytes.length) throw new HeaderIncomplete();
    this.position = from + length;
    return from;
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true);
  }

  /** A count or a length: refused above `max`, which is far below what a double holds. */
  count(max: number, what: string): number {
    const value = this.#view.getBigUint64(this.#take(8, what), true);
    if (value > BigInt(max)) throw damaged(`${what} is ${value}; at most ${max} are read`);
    return Number(value);
  }

  string(bytesMax: number, what: string): string {
    const length = this.count(bytesMax, `the length of ${what}`);
    const from = this.#take(length, what);
    return this.#decoder.decode(this.#bytes.subarray(from, from + length));
  }

  number(type: GgufNumberType, what: string): GgufNumber {
    const at = this.#take(GGUF_NUMBER_BYTES[type], what);
    const view = this.#view;
    switch (type) {
      case "u8":
        return view.getUint8(at);
      case "i8":
        return view.getInt8(at);
      case "u16":
        return view.getUint16(at, true);
      case "i16":
        return view.getInt16(at, true);
      case "u32":
        return view.getUint32(at, true);
      case "i32":
        return view.getInt32(at, true);
      case "f32":
        return view.getFloat32(at, true);
      case "f64":
        return view.getFloat64(at, true);
      case "u64":
        return exact(view.getBigUint64(at, true));
      case "i64":
        return exact(view.getBigInt64(at, true));
    }
  }

  bool(what: string): boolean {
    const value = this.#view.getUint8(this.#take(BOOL_BYTES, what));
    if (value > 1) throw damaged(`${what} is neither true nor false`);
    return value === 1;
  }

  value(key: string): GgufValue {
    const type = this.#valueType(key);
    if (type === "string") return { type, value: this.string(GGUF_STRING_BYTES_MAX, key) };
    if (type === "bool") return { type, value: this.bool(key) };
    if (type === "array") return this.#array(key);
    return { type, value: this.number(type, key) };
  }

  #valueType(key: string): (typeof GGUF_VALUE_TYPES)[number] {
    const id = this.u32(`the type of ${key}`);
    const type = GGUF_VALUE_TYPES[id];
    if (type === undefined) throw damaged(`${key} has the unknown value type ${id}`);
    return type;
  }

  #array(key: string): GgufValue {
    const of = this.#valueType(key);
    if (of === "array") {
      throw unsupported(`${key} is an array of arrays`);
    }
    const length = this.count(GGUF_ARRAY_VALUES_MAX, `the length of ${key}`);
    this.#arrayValues += length;
    if (this.#arrayValues > GGUF_ARRAY_VALUES_MAX) {
      throw damaged(`the arrays have more than ${GGUF_ARRAY_VALUES_MAX} values together`);
    }
    const bytesMin =
      of === "string" ? STRING_BYTES_MIN : of === "bool" ? BOOL_BYTES : GGUF_NUMBER_BYTES[of];
    if (this.position + length * bytesMin > this.#sizeBytes) {
      throw damaged(`${key} claims ${length} values, for which the file is too short`);
    }
    if (of === "string") {
      const values = this.#times(length, () => this.string(GGUF_STRING_BYTES_MAX, key));
      return { type: "array", of, values };
    }
    if (of === "bool") {
      return { type: "array", of, values: this.#times(length, () => this.bool(key)) };
    }
    return { type: "array", of, values: this.#times(length, () => this.number(of, key)) };
  }

  /** Grows with what is really there, never with what was claimed. */
  #times<T>(length: number, read: () => T): T[] {
    const values: T[] = [];
    for (let index = 0; index < length; index += 1) values.push(read());
    return values;
  }
}

function exact(value: bigint): GgufNumber {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
