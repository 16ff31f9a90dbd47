/**
 * Errors on the wire (ERR, STREAM_RESET, GOAWAY): `code length u8 | code | message length varint |
 * message | details`. Only what an error says on purpose travels: its `code`, the message of an
 * error with a code, and its `wireDetails`. The text of any other error could hold paths or
 * secrets.
 */
import { QWormholeError, type QWormholeErrorCode } from "./errors.js";
import { type PayloadReader, varintBytes, writeVarint } from "./frames.js";
import {
  ERROR_CODE_BYTES_MAX,
  ERROR_DETAILS_BYTES_MAX,
  ERROR_MESSAGE_BYTES_MAX,
} from "./limits.js";

export interface WireError {
  code: string;
  message: string;
  details: Uint8Array;
}

const EMPTY = new Uint8Array(0);

export function encodeWireError(error: WireError): Uint8Array {
  const code = utf8Cut(error.code, ERROR_CODE_BYTES_MAX);
  const message = utf8Cut(error.message, ERROR_MESSAGE_BYTES_MAX);
  const details = error.details.length > ERROR_DETAILS_BYTES_MAX ? EMPTY : error.details;
  const head = 1 + code.length + varintBytes(message.length);
  const bytes = new Uint8Array(head + message.length + details.length);
  bytes[0] = code.length;
  bytes.set(code, 1);
  writeVarint(bytes, 1 + code.length, message.length);
  bytes.set(message, head);
  bytes.set(details, head + message.length);
  return bytes;
}

/** Throws `QW_FRAME_INVALID`. */
export function decodeWireError(reader: PayloadReader): WireError {
  const code = utf8(reader.take(reader.byte()));
  const message = utf8(reader.take(reader.varint()));
  return { code, message, details: Uint8Array.from(reader.rest()) };
}

/** What may be told to the peer about an error of a handler. */
export function toWireError(error: unknown): WireError {
  const { code, wireDetails } = (error ?? {}) as { code?: unknown; wireDetails?: unknown };
  if (!(error instanceof Error) || typeof code !== "string") {
    return { code: "QW_HANDLER_FAILED", message: "the handler failed", details: EMPTY };
  }
  const details = wireDetails instanceof Uint8Array ? wireDetails : EMPTY;
  return { code, message: error.message, details };
}

export function fromWireError(code: QWormholeErrorCode, error: WireError): QWormholeError {
  return new QWormholeError(code, {
    message: error.message === "" ? `the peer said ${error.code}` : error.message,
    remoteCode: error.code,
    remoteDetails: error.details,
  });
}

/** Of an answer. The peer may notice first that the time is over; for the caller it is the same. */
export function fromAnsweredError(error: WireError): QWormholeError {
  const isLate = error.code === "QW_REQUEST_TIMEOUT";
  return fromWireError(isLate ? "QW_REQUEST_TIMEOUT" : "QW_REMOTE_ERROR", error);
}

/** The channel ended without the end of the link. */
export function lost(cause: Error | undefined): QWormholeError {
  return new QWormholeError("QW_LINK_LOST", cause === undefined ? {} : { cause });
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}

/** UTF-8 of at most `bytesMax`, cut between characters. */
function utf8Cut(text: string, bytesMax: number): Uint8Array {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return bytes;
  let end = bytesMax;
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
