/** Reads CBOR; which part of it, `cbor.ts` says. */
import { QWormholeError } from "./errors.js";
import { CBOR_DEPTH_MAX, CBOR_OBJECTS_MAX } from "./limits.js";

/**
 * The one value in `bytes`. Throws `QW_MESSAGE_INVALID`, naming what is wrong and where. Memory is
 * linear in the input, whatever the input claims.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const decoder = new Decoder(bytes);
  const value = decoder.item(0);
  decoder.end();
  return value;
}

/** Stateless as long as it is not told to stream. A byte order mark is text as any other. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Above this length the native decoder is faster than a loop. */
const SHORT_TEXT_BYTES = 24;
/** What `Date` can hold, either side of 1970 (ECMA-262, time values). */
const DATE_MS_MAX = 8.64e15;

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  /**
   * Items that open arrays and maps still have to get. Each takes a byte or more, so an array is
   * refused before memory is taken for it unless the rest can hold it and all that is owed.
   */
  #owed = 0;
  #objects = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw this.#invalid(`${left} bytes after the value`);
  }

  item(depth: number): unknown {
    const head = this.#byte();
    const info = head & 0x1f;
    switch (head >> 5) {
      case 0:
        return this.#argument(info);
      case 1:
        return negative(this.#argument(info));
      case 2:
        // Copied: a view would keep the whole receive buffer, and change when that is used again.
        this.#countObject();
        return new Uint8Array(this.#take(this.#length(info)));
      case 3:
        return this.#text(info);
      case 4:
        return this.#array(info, depth);
      case 5:
        return this.#map(info, depth);
      case 6:
        return this.#date(info);
      default:
        return this.#simple(info);
    }
  }

  #array(info: number, depth: number): unknown[] {
    const count = this.#open(info, 1, depth);
    const values = new Array<unknown>(count);
    for (let index = 0; index < count; index++) {
      this.#owed--;
      values[index] = this.item(depth + 1);
    }
    return values;
  }

  #map(info: number, depth: number): Record<string, unknown> {
    const count = this.#open(info, 2, depth);
    const values: Record<string, unknown> = {};
    for (let index = 0; index < count; index++) {
      this.#owed -= 2;
      const head = this.#byte();
      if (head >> 5 !== 3) throw this.#invalid("a key of a map is not text");
      const key = this.#text(head & 0x1f);
      const value = this.item(depth + 1);
      // What the prototype has too, such as `__proto__`, would be set there or refused.
      if (key in values) {
        if (Object.hasOwn(values, key)) throw this.#invalid("a key stands twice in a map");
        const own = { value, writable: true, enumerable: true, configurable: true };
        Object.defineProperty(values, key, own);
      } else {
        values[key] = value;
      }
    }
    return values;
  }

  /** Count of an array (`width` 1) or map (`width` 2). */
  #open(info: number, width: number, depth: number): number {
    const count = this.#argument(info);
    this.#countObject();
    if (depth >= CBOR_DEPTH_MAX) throw this.#invalid(`more than ${CBOR_DEPTH_MAX} levels`);
    const left = this.#bytes.length - this.#at - this.#owed;
    if (typeof count === "bigint" || count * width > left) {
      throw this.#invalid(`${count} entries are claimed, more than the bytes can hold`);
    }
    this.#owed += count * width;
    return count;
  }

  #text(info: number): string {
    const length = this.#length(info);
    const short = length <= SHORT_TEXT_BYTES ? this.#ascii(length) : undefined;
    if (short !== undefined) return short;
    const bytes = this.#take(length);
    try {
      return UTF8.decode(bytes);
    } catch {
      throw this.#invalid("text is not UTF-8");
    }
  }

  /** Short ASCII text, as keys are, byte by byte. Undefined, with nothing read, for other text. */
  #ascii(length: number): string | undefined {
    let text = "";
    for (let index = this.#at; index < this.#at + length; index++) {
      const byte = this.#bytes[index] ?? 0x80;
      if (byte >= 0x80) return undefined;
      text += String.fromCharCode(byte);
    }
    this.#at += length;
    return text;
  }

  #date(info: number): Date {
    const tag = this.#argument(info);
    if (tag !== 1) throw this.#invalid(`tag ${tag} is not known`);
    const head = this.#byte();
    const major = head >> 5;
    const isFloat = major === 7 && (head & 0x1f) >= 25 && (head & 0x1f) <= 27;
    if (major > 1 && !isFloat) throw this.#invalid("a date is not a number");
    this.#at--;
    this.#countObject();
    const seconds = Number(this.item(0));
    // In two parts: the product alone would round a far date to the next millisecond.
    const whole = Math.trunc(seconds);
    const ms = whole * 1000 + Math.round((seconds - whole) * 1000);
    if (!(Math.abs(ms) <= DATE_MS_MAX)) throw this.#invalid("a date is out of range");
    return new Date(ms);
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 25:
        return float16(this.#view.getUint16(this.#skip(2)));
      case 26:
        return this.#view.getFloat32(this.#skip(4));
      case 27:
        return this.#view.getFloat64(this.#skip(8));
      case 31:
        throw this.#invalid("a break without an indefinite length");
      default:
        throw this.#invalid("a simple value is not known");
    }
  }

  #countObject(): void {
    this.#objects++;
    if (this.#objects > CBOR_OBJECTS_MAX) {
      throw this.#invalid(`more than ${CBOR_OBJECTS_MAX} arrays, maps, byte strings and dates`);
    }
  }

  #length(info: number): number {
    const length = this.#argument(info);
    const left = this.#bytes.length - this.#at;
    if (length > left) throw this.#invalid(`${length} bytes are claimed and ${left} are left`);
    return Number(length);
  }

  /** The number in the head of an item. A bigint only when it is not a safe integer. */
  #argument(info: number): number | bigint {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.#view.getUint8(this.#skip(1));
      case 25:
        return this.#view.getUint16(this.#skip(2));
      case 26:
        return this.#view.getUint32(this.#skip(4));
      case 27: {
        const wide = this.#view.getBigUint64(this.#skip(8));
        return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide;
      }
      case 31:
        throw this.#invalid("indefinite lengths are not accepted");
      default:
        throw this.#invalid("the head of an item is of a reserved form");
    }
  }

  #take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #byte(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  /** Moves on and answers where it was. */
  #skip(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw this.#invalid("it ends too early");
    this.#at = start + length;
    return start;
  }

  #invalid(what: string): QWormholeError {
    const message = `a CBOR message is invalid at byte ${this.#at}: ${what}`;
    return new QWormholeError("QW_MESSAGE_INVALID", { message });
  }
}

function negative(argument: number | bigint): number | bigint {
  const isSafe = typeof argument === "number" && argument < Number.MAX_SAFE_INTEGER;
  return isSafe ? -1 - argument : -1n - BigInt(argument);
}

/** RFC 8949, appendix D. */
function float16(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (mantissa + 1024) * 2 ** (exponent - 25);
}
