/**
 * How values become messages and messages values. Without a choice of the user the pair
 * `valueSerializer` and `valueDeserializer` is used: the kind travels with each message, so bytes
 * arrive as bytes and everything else as the JSON value that was sent.
 *
 * All are pure. A serializer that is handed bytes sends that very memory: it must not be changed
 * until it was written. A deserializer may be handed a view into a larger buffer. Errors are
 * `QW_MESSAGE_INVALID`; none repeats any part of a message, which could be a secret.
 */
import {
  isAnyArrayBuffer,
  isMap,
  isNativeError,
  isPromise,
  isSet,
  isUint8Array,
} from "node:util/types";
import { decodeCbor, encodeCbor } from "./cbor.js";
import { QWormholeError } from "./errors.js";
import { type EncodedMessage, MessageKind } from "./message-kind.js";

/** Stateless as long as it is not told to stream. A byte order mark is text as any other. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SURROGATE = /\p{Surrogate}/u;

/** Bytes as bytes, everything else (strings too) as JSON; refuses what `jsonSerializer` does. */
export function valueSerializer(value: unknown): EncodedMessage {
  if (isUint8Array(value)) return { kind: MessageKind.bytes, payload: value };
  return jsonSerializer(value);
}

/** The value by its kind: bytes (also without a kind), text, JSON or CBOR. */
export function valueDeserializer(payload: Uint8Array, kind?: MessageKind): unknown {
  switch (kind) {
    case undefined:
    case MessageKind.bytes:
      return payload;
    case MessageKind.text:
      return utf8(payload);
    case MessageKind.json:
      return parse(payload);
    case MessageKind.cbor:
      return decodeCbor(payload);
    default:
      throw invalid(`kind ${String(kind)} of a message is not known`);
  }
}

/**
 * JSON text, by the rules of `JSON.stringify` for what lies within: `undefined` members are left
 * out, `NaN` becomes null, a Date becomes text. Refused, because nothing or something else would
 * arrive: undefined, functions, symbols, numbers that are not finite, bytes, and a Map, Set, Error
 * or Promise as the value itself; a BigInt or a cycle anywhere.
 */
export function jsonSerializer(value: unknown): EncodedMessage {
  if (ArrayBuffer.isView(value)) throw unsendable("bytes are not JSON; send a Uint8Array as bytes");
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw unsendable(`${value} is not a number of JSON`);
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    const hint = "a BigInt, a cycle, or an error of its own `toJSON`; see the cause";
    throw unsendable(hint, cause);
  }
  if (text === undefined) throw unsendable(`nothing is left of a value of type ${typeof value}`);
  // Only here, so that what is usual pays nothing.
  if (text === "{}") refuseLostContent(value);
  return { kind: MessageKind.json, payload: Buffer.from(text) };
}

/**
 * JSON messages, and text and bytes that hold JSON. Never answers null for what it cannot read.
 * `T` is what the caller trusts the peer to send; it is not checked.
 */
export function jsonDeserializer<T = unknown>(payload: Uint8Array, kind?: MessageKind): T {
  if (kind === MessageKind.cbor) throw invalid("a message is CBOR where JSON was expected");
  return parse(payload) as T;
}

/** Strings only. */
export function textSerializer(value: unknown): EncodedMessage {
  if (typeof value !== "string") throw unsendable(`a value of type ${typeof value} is not text`);
  const payload = Buffer.from(value);
  // ASCII has as many bytes as units, and no surrogates.
  if (payload.length !== value.length && SURROGATE.test(value)) {
    throw unsendable("text with a lone surrogate has no UTF-8");
  }
  return { kind: MessageKind.text, payload };
}

/** Text, bytes as UTF-8, and of JSON messages the JSON text. */
export function textDeserializer(payload: Uint8Array, kind?: MessageKind): string {
  if (kind === MessageKind.cbor) throw invalid("a message is CBOR where text was expected");
  return utf8(payload);
}

/** A Uint8Array, any other view, or an ArrayBuffer: its bytes as they are. */
export function bytesSerializer(value: unknown): EncodedMessage {
  if (isUint8Array(value)) return { kind: MessageKind.bytes, payload: value };
  if (ArrayBuffer.isView(value)) {
    const payload = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { kind: MessageKind.bytes, payload };
  }
  if (isAnyArrayBuffer(value)) return { kind: MessageKind.bytes, payload: new Uint8Array(value) };
  throw unsendable(`a value of type ${typeof value} is not bytes`);
}

/** The payload of any kind, as it travelled. It may keep a larger receive buffer alive. */
export function bytesDeserializer(payload: Uint8Array, _kind?: MessageKind): Uint8Array {
  return payload;
}

/** What `encodeCbor` takes: also undefined, BigInt, Date, and bytes within a value. */
export function cborSerializer(value: unknown): EncodedMessage {
  return { kind: MessageKind.cbor, payload: encodeCbor(value) };
}

/**
 * CBOR messages, and bytes that hold CBOR. `T` is what the caller trusts the peer to send; it is
 * not checked.
 */
export function cborDeserializer<T = unknown>(payload: Uint8Array, kind?: MessageKind): T {
  if (kind === MessageKind.text || kind === MessageKind.json) {
    throw invalid("a message is text or JSON where CBOR was expected");
  }
  return decodeCbor(payload) as T;
}

function parse(payload: Uint8Array): unknown {
  const text = utf8(payload);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw invalid(`a message of ${payload.length} bytes is not JSON`);
  }
}

function utf8(payload: Uint8Array): string {
  try {
    return UTF8.decode(payload);
  } catch {
    throw invalid(`a message of ${payload.length} bytes is not UTF-8 text`);
  }
}

/** What JSON writes as `{}` although something is in it. */
function refuseLostContent(value: unknown): void {
  if (isMap(value) || isSet(value)) throw unsendable("a Map or Set; make an array of its entries");
  if (isPromise(value)) throw unsendable("a Promise; await it first");
  if (isNativeError(value)) throw unsendable("an Error; send its message");
  if (isAnyArrayBuffer(value)) throw unsendable("an ArrayBuffer; send a Uint8Array of it as bytes");
}

function unsendable(why: string, cause?: unknown): QWormholeError {
  const message = `the value cannot be sent: ${why}`;
  return new QWormholeError("QW_MESSAGE_INVALID", { message, cause });
}

function invalid(message: string): QWormholeError {
  return new QWormholeError("QW_MESSAGE_INVALID", { message });
}
