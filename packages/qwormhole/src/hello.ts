/** The HELLO payload: a JSON object, signed as the bytes that travelled. */
import { QWormholeError } from "./errors.js";
import {
  HANDSHAKE_PAYLOAD_BYTES_MAX,
  MESSAGE_BYTES_HARD_MAX,
  PROTOCOL_NAME_BYTES_MAX,
  TAGS_BYTES_MAX,
} from "./limits.js";

export const NONCE_BYTES = 32;
/** SPKI of P-256 has 91 bytes, of Ed25519 44. */
const PUBLIC_KEY_BYTES_MAX = 128;

export interface Hello {
  /** Lowest and highest version of the link protocol that the side speaks. */
  versions: readonly [number, number];
  /** Name of the application protocol. */
  protocol: string;
  nodeId: string;
  /** SPKI, DER. */
  publicKey: Uint8Array;
  nonce: Uint8Array;
  tags: Readonly<Record<string, unknown>>;
  /** What the side accepts. */
  messageBytesMax: number;
  streamBaseBytes: number;
  streamsMax: number;
  requestsMax: number;
  /** Names of extensions; both sides must name one before it may be used. None is defined yet. */
  features: readonly string[];
}

/** Throws `QW_TAGS_INVALID`. */
export function encodeHello(hello: Hello): Uint8Array {
  checkTags(hello.tags);
  return Buffer.from(
    JSON.stringify({
      versions: hello.versions,
      protocol: hello.protocol,
      nodeId: hello.nodeId,
      publicKey: Buffer.from(hello.publicKey).toString("base64url"),
      nonce: Buffer.from(hello.nonce).toString("base64url"),
      tags: hello.tags,
      messageBytesMax: hello.messageBytesMax,
      streamBaseBytes: hello.streamBaseBytes,
      streamsMax: hello.streamsMax,
      requestsMax: hello.requestsMax,
      features: hello.features,
    }),
  );
}

/** Unknown members are left alone. Throws `QW_HANDSHAKE_INVALID` or `QW_TAGS_INVALID`. */
export function decodeHello(payload: Uint8Array): Hello {
  if (payload.length > HANDSHAKE_PAYLOAD_BYTES_MAX) throw invalid("it is too long");
  const record = parseObject(payload);
  const { versions, protocol, nodeId, tags, features } = record;
  if (!Array.isArray(versions) || versions.length !== 2) throw invalid("`versions`");
  const low = integer(versions[0], 1, 65_535, "versions");
  const high = integer(versions[1], low, 65_535, "versions");
  if (typeof protocol !== "string" || protocol.length > PROTOCOL_NAME_BYTES_MAX) {
    throw invalid("`protocol`");
  }
  if (typeof nodeId !== "string" || !/^[a-z2-7]{52}$/.test(nodeId)) throw invalid("`nodeId`");
  if (!isTextList(features)) throw invalid("`features`");
  checkTags(tags);
  return {
    versions: [low, high],
    protocol,
    nodeId,
    publicKey: base64(record.publicKey, 1, PUBLIC_KEY_BYTES_MAX, "publicKey"),
    nonce: base64(record.nonce, NONCE_BYTES, NONCE_BYTES, "nonce"),
    tags: tags as Record<string, unknown>,
    messageBytesMax: integer(record.messageBytesMax, 0, MESSAGE_BYTES_HARD_MAX, "messageBytesMax"),
    streamBaseBytes: integer(record.streamBaseBytes, 0, 1 << 30, "streamBaseBytes"),
    streamsMax: integer(record.streamsMax, 0, 1 << 20, "streamsMax"),
    requestsMax: integer(record.requestsMax, 0, 1 << 20, "requestsMax"),
    features,
  };
}

function parseObject(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (cause) {
    throw new QWormholeError("QW_HANDSHAKE_INVALID", { message: "HELLO is not JSON", cause });
  }
  if (!isPlainObject(value)) throw invalid("it is not an object");
  return value;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function isTextList(value: unknown): value is string[] {
  return (
    Array.isArray(value) && value.length <= 32 && value.every((item) => typeof item === "string")
  );
}

function checkTags(tags: unknown): void {
  if (!isPlainObject(tags)) throw new QWormholeError("QW_TAGS_INVALID");
  let bytes: number;
  try {
    bytes = Buffer.byteLength(JSON.stringify(tags));
  } catch (cause) {
    throw new QWormholeError("QW_TAGS_INVALID", { cause });
  }
  if (bytes > TAGS_BYTES_MAX) {
    const message = `the tags have ${bytes} bytes as JSON; the limit is ${TAGS_BYTES_MAX}`;
    throw new QWormholeError("QW_TAGS_INVALID", { message });
  }
}

function integer(value: unknown, min: number, max: number, name: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw invalid(`\`${name}\``);
}

function base64(value: unknown, min: number, max: number, name: string): Uint8Array {
  if (typeof value !== "string" || value.length > 2 * max) throw invalid(`\`${name}\``);
  const bytes = Buffer.from(value, "base64url");
  if (bytes.length < min || bytes.length > max) throw invalid(`\`${name}\``);
  return bytes;
}

function invalid(what: string): QWormholeError {
  return new QWormholeError("QW_HANDSHAKE_INVALID", { message: `HELLO is not valid: ${what}` });
}
