/** Writes CBOR; which part of it, `cbor.ts` says. */
import { isDate, isUint8Array } from "node:util/types";
import { QWormholeError } from "./errors.js";
import { CBOR_DEPTH_MAX, CBOR_OBJECTS_MAX, MESSAGE_BYTES_HARD_MAX } from "./limits.js";

/**
 * The bytes of `value`, as `Buffer.from` gives them: small ones may lie in Node's pool. Throws
 * `QW_MESSAGE_INVALID` for what CBOR or this part of it cannot express (a function, a symbol, an
 * instance of a class other than Date and Uint8Array, a bigint beyond 64 bits, an invalid date, a
 * cycle, more than `CBOR_OBJECTS_MAX` objects), and `QW_MESSAGE_TOO_LARGE` above
 * `MESSAGE_BYTES_HARD_MAX`, which no link accepts. Own enumerable members with string keys are
 * written, also those that are `undefined`.
 */
export function encodeCbor(value: unknown): Uint8Array {
  const encoder = new Encoder();
  try {
    encoder.item(value, 0);
  } catch (cause) {
    if (cause instanceof QWormholeError) throw cause;
    // A getter or a proxy of the caller threw.
    throw new QWormholeError("QW_MESSAGE_INVALID", { message: "a value cannot be read", cause });
  }
  return encoder.finish();
}

const FIRST_BYTES = 256;
const HEAD_BYTES_MAX = 9;
/** Room is reserved ahead of short text and heads; the exact size is checked at the end. */
const CAPACITY_MAX = MESSAGE_BYTES_HARD_MAX + 64;
/** Above this length (UTF-16 units) the native encoder is faster than a loop. */
const SHORT_TEXT = 40;
const SURROGATE = /\p{Surrogate}/u;

class Encoder {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;
  #objects = 0;

  finish(): Uint8Array {
    if (this.#at > MESSAGE_BYTES_HARD_MAX) throw tooLarge();
    return this.#bytes.subarray(0, this.#at);
  }

  item(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.#text(value);
        break;
      case "number":
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.#integer(value);
        else this.#float(value);
        break;
      case "object":
        if (value === null) this.#byte(0xf6);
        else this.#object(value, depth);
        break;
      case "boolean":
        this.#byte(value ? 0xf5 : 0xf4);
        break;
      case "undefined":
        this.#byte(0xf7);
        break;
      case "bigint":
        this.#bigint(value);
        break;
      default:
        throw invalid(`a ${typeof value} cannot be sent`);
    }
  }

  #object(value: object, depth: number): void {
    this.#objects++;
    if (this.#objects > CBOR_OBJECTS_MAX) {
      throw invalid(`more than ${CBOR_OBJECTS_MAX} arrays, maps, byte strings and dates`);
    }
    if (isUint8Array(value)) this.#byteString(value);
    else if (isDate(value)) this.#date(value);
    else if (depth >= CBOR_DEPTH_MAX) {
      throw invalid(`the value has more than ${CBOR_DEPTH_MAX} levels, or a cycle`);
    } else if (Array.isArray(value)) this.#array(value, depth);
    else this.#map(value, depth);
  }

  #array(values: readonly unknown[], depth: number): void {
    const length = values.length;
    this.#head(4, length);
    for (let index = 0; index < length; index++) this.item(values[index], depth + 1);
  }

  #map(value: object, depth: number): void {
    if (!isPlainObject(value)) {
      const name = (value.constructor as { name?: unknown } | undefined)?.name;
      throw invalid(`an instance of ${String(name)} cannot be sent; make a plain object of it`);
    }
    const keys = Object.keys(value);
    this.#head(5, keys.length);
    for (const key of keys) {
      this.#text(key);
      this.item((value as Record<string, unknown>)[key], depth + 1);
    }
  }

  #text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#ascii(text)) return;
    const length = Buffer.byteLength(text);
    // ASCII has no surrogates.
    if (length !== text.length && SURROGATE.test(text)) throw invalid("text has a lone surrogate");
    this.#head(3, length);
    this.#reserve(length);
    this.#at += this.#bytes.write(text, this.#at, "utf8");
  }

  /** Short ASCII text, as keys are, byte by byte. False, with nothing written, for other text. */
  #ascii(text: string): boolean {
    const length = text.length;
    // For the head too: it is written last, and may not move what stands behind it.
    this.#reserve(length + HEAD_BYTES_MAX);
    const head = length < 24 ? 1 : 2;
    const start = this.#at + head;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return false;
      this.#bytes[start + index] = unit;
    }
    this.#head(3, length);
    this.#at = start + length;
    return true;
  }

  #byteString(bytes: Uint8Array): void {
    this.#head(2, bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #date(date: Date): void {
    const ms = date.getTime();
    if (Number.isNaN(ms)) throw invalid("a date is invalid");
    this.#byte(0xc1);
    this.item(ms / 1000, 0);
  }

  #integer(value: number): void {
    if (value < 0) this.#head(1, -1 - value);
    else this.#head(0, value);
  }

  #bigint(value: bigint): void {
    const argument = value < 0n ? -1n - value : value;
    if (argument >= 1n << 64n) throw invalid("a bigint has more than 64 bits");
    const major = value < 0n ? 1 : 0;
    if (argument <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#head(major, Number(argument));
      return;
    }
    this.#byte((major << 5) | 27);
    this.#reserve(8);
    this.#at = this.#bytes.writeBigUInt64BE(argument, this.#at);
  }

  #float(value: number): void {
    if (Math.fround(value) !== value && !Number.isNaN(value)) {
      this.#byte(0xfb);
      this.#reserve(8);
      this.#at = this.#bytes.writeDoubleBE(value, this.#at);
      return;
    }
    const half = float16Bits(value);
    this.#byte(half === undefined ? 0xfa : 0xf9);
    this.#reserve(4);
    this.#at =
      half === undefined
        ? this.#bytes.writeFloatBE(value, this.#at)
        : this.#bytes.writeUInt16BE(half, this.#at);
  }

  #head(major: number, argument: number): void {
    const type = major << 5;
    this.#reserve(HEAD_BYTES_MAX);
    if (argument < 24) {
      this.#bytes[this.#at++] = type | argument;
    } else if (argument < 0x100) {
      this.#bytes[this.#at++] = type | 24;
      this.#bytes[this.#at++] = argument;
    } else if (argument < 0x1_0000) {
      this.#bytes[this.#at++] = type | 25;
      this.#at = this.#bytes.writeUInt16BE(argument, this.#at);
    } else if (argument < 0x1_0000_0000) {
      this.#bytes[this.#at++] = type | 26;
      this.#at = this.#bytes.writeUInt32BE(argument, this.#at);
    } else {
      this.#bytes[this.#at++] = type | 27;
      this.#at = this.#bytes.writeUInt32BE(Math.floor(argument / 0x1_0000_0000), this.#at);
      this.#at = this.#bytes.writeUInt32BE(argument % 0x1_0000_0000, this.#at);
    }
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  #reserve(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return;
    if (needed > CAPACITY_MAX) throw tooLarge();
    const capacity = Math.min(Math.max(2 * this.#bytes.length, needed), CAPACITY_MAX);
    const grown = Buffer.allocUnsafeSlow(capacity);
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** The half-precision bits of `value`, if it has exactly that value. Takes 32-bit floats. */
function float16Bits(value: number): number | undefined {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size > 65_504) return undefined;
  // Below 2^-14 the exponent stays and the mantissa gets shorter.
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size));
  const mantissa = size / 2 ** (exponent - 10);
  if (!Number.isInteger(mantissa)) return undefined;
  return sign | (size < 2 ** -14 ? mantissa : ((exponent + 15) << 10) | (mantissa - 1024));
}

/** Made by `{}`, `JSON.parse` or `Object.create(null)`, in this realm or another. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function tooLarge(): QWormholeError {
  const message = `the value has more than ${MESSAGE_BYTES_HARD_MAX} bytes as CBOR`;
  return new QWormholeError("QW_MESSAGE_TOO_LARGE", { message });
}

function invalid(what: string): QWormholeError {
  const message = `the value cannot be written as CBOR: ${what}`;
  return new QWormholeError("QW_MESSAGE_INVALID", { message });
}
