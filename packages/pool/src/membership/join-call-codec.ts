/**
 * Calls on the LAN by which a newcomer finds the admin of a pool: one datagram, and one in answer.
 * They only say where to go: whoever dials proves the pool's root key before anything is said.
 *
 * | bytes | what                                                                       |
 * |-------|----------------------------------------------------------------------------|
 * | 16    | tag: HMAC-SHA256 of the period (`u64` of hours since 1970), cut short      |
 * | 12    | nonce, random                                                              |
 * | n     | contents, AES-256-GCM; the tag is authenticated with them                  |
 * | 16    | authentication tag of GCM                                                  |
 *
 * Contents, big-endian, zeros up to a multiple of 128:
 *
 * | bytes    | what                                                                    |
 * |----------|-------------------------------------------------------------------------|
 * | 1        | version, 1                                                              |
 * | 1        | 1: a newcomer calls; 2: the admin answers                               |
 * | 64       | public key of the sender: the coordinates of the P-256 point            |
 * | 8        | milliseconds since 1970 by the sender's clock                           |
 * | 16       | number of the call; the answer repeats it                               |
 * | 1 + 0-63 | name of the sender, with its length                                     |
 * | 2        | TCP port of enrolment; 0 in a call                                      |
 * | 1        | number of addresses, up to 4                                            |
 * | 1 + 1-64 | for each: length, `host:port` in ASCII                                  |
 * | 64       | signature (ECDSA P-256, SHA-256, IEEE P1363) by the sender's key over a |
 * |          | text that names its purpose, the tag, and the contents before it        |
 *
 * Tag and key come from the pool's root key, its id and the period, so that who was not told both
 * sees nothing but noise that changes every hour, and the id never goes out in clear.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { MeshError, type NodeId, type Random } from "@hearthmesh/core";
import { nodeIdOfPublicKey, parsePoolRoot, verifySignature } from "@hearthmesh/identity";
import {
  JOIN_CALL_ADDRESS_LENGTH_MAX,
  JOIN_CALL_ADDRESSES_MAX,
  JOIN_CALL_BYTES_MAX,
  JOIN_CALL_PADDING_BYTES,
  JOIN_CALL_PERIOD_MS,
  JOIN_CALL_PERIODS_OFF_MAX,
} from "./limits.js";
import type { StatementSigner } from "./member-statement.js";

export interface JoinCall {
  readonly kind: "call" | "answer";
  readonly nodeId: NodeId;
  readonly atMs: number;
  /** Hexadecimal, 32 digits. */
  readonly number: string;
  readonly name: string;
  readonly enrolmentPort: number;
  readonly addresses: readonly string[];
}

/** `foreign`: of no pool that is known here. */
type JoinCallRefusal = "foreign" | "forged" | "malformed";
export type OpenedJoinCall =
  | { readonly call: JoinCall; readonly poolId: string; readonly refusal?: never }
  | { readonly call?: never; readonly refusal: JoinCallRefusal };

export interface CalledPool {
  readonly poolId: string;
  /** As text. */
  readonly root: string;
}

const VERSION = 1;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const SEAL_BYTES = 16;
const HEAD_BYTES = TAG_BYTES + NONCE_BYTES;
const POINT_BYTES = 64;
const NUMBER_BYTES = 16;
const SIGNATURE_BYTES = 64;
const NAME_AT = 2 + POINT_BYTES + 8 + NUMBER_BYTES;
const KINDS = ["call", "answer"] as const;
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const ADDRESS = /^[\w.:[\]%-]+:\d{1,5}$/;
const SALT = Buffer.from("hearthmesh pool call v1", "latin1");
const DOMAIN = Buffer.from("hearthmesh pool call v1\0", "latin1");
/** SPKI of an uncompressed P-256 point up to its coordinates (RFC 5480). */
const SPKI_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");

interface PeriodKeys {
  readonly poolId: string;
  readonly tag: Buffer;
  readonly key: Uint8Array;
}

export class JoinCallCodec {
  readonly #random: Random;
  readonly #pools: readonly CalledPool[];
  #period = Number.NaN;
  /** By the tag in hexadecimal. */
  #byTag = new Map<string, PeriodKeys>();

  /** Of these pools calls are understood. */
  constructor(pools: readonly CalledPool[], random: Random) {
    this.#pools = pools;
    this.#random = random;
  }

  /** The datagram, for one of the pools. `MESH_BAD_REQUEST` for what the format cannot carry. */
  seal(
    poolId: string,
    call: Omit<JoinCall, "nodeId">,
    signer: StatementSigner,
    nowMs: number,
  ): Uint8Array {
    const pool = this.#pools.find((one) => one.poolId === poolId);
    if (pool === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
    const { tag, key } = derive(pool, periodAt(nowMs));
    const contents = writeContents(call, tag, signer);
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(tag);
    return Buffer.concat([
      tag,
      nonce,
      cipher.update(contents),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }

  /** What is in a datagram, or why it is none; never throws for any bytes. */
  open(bytes: Uint8Array, nowMs: number): OpenedJoinCall {
    this.#prepare(nowMs);
    if (bytes.length < HEAD_BYTES + SEAL_BYTES) return { refusal: "foreign" };
    const datagram = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const keys = this.#byTag.get(datagram.toString("hex", 0, TAG_BYTES));
    if (keys === undefined) return { refusal: "foreign" };
    if (bytes.length > JOIN_CALL_BYTES_MAX) return { refusal: "malformed" };
    const contents = decrypt(datagram, keys);
    if (contents === undefined) return { refusal: "forged" };
    const read = readContents(contents);
    if (read === undefined) return { refusal: "malformed" };
    const { call, publicKey, signed, signature } = read;
    const isTrue = verifySignature(publicKey, signingBytes(keys.tag, signed), signature);
    return isTrue ? { call, poolId: keys.poolId } : { refusal: "forged" };
  }

  #prepare(nowMs: number): void {
    const period = periodAt(nowMs);
    if (period === this.#period) return;
    this.#period = period;
    this.#byTag = new Map();
    const first = Math.max(0, period - JOIN_CALL_PERIODS_OFF_MAX);
    for (const pool of this.#pools) {
      for (let other = first; other <= period + JOIN_CALL_PERIODS_OFF_MAX; other++) {
        const keys = derive(pool, other);
        this.#byTag.set(keys.tag.toString("hex"), keys);
      }
    }
  }
}

function periodAt(nowMs: number): number {
  return Math.max(0, Math.floor(nowMs / JOIN_CALL_PERIOD_MS));
}

function derive({ poolId, root }: CalledPool, period: number): PeriodKeys {
  const source = Buffer.concat([parsePoolRoot(root), Buffer.from(poolId, "latin1")]);
  const keyFor = (purpose: string) => Buffer.from(hkdfSync("sha256", source, SALT, purpose, 32));
  const text = Buffer.alloc(8);
  text.writeBigUInt64BE(BigInt(period));
  const mac = createHmac("sha256", keyFor("tag")).update(text).digest();
  return { poolId, tag: mac.subarray(0, TAG_BYTES), key: keyFor(`key\0${period}`) };
}

function decrypt(datagram: Buffer, { key, tag }: PeriodKeys): Buffer | undefined {
  const end = datagram.length - SEAL_BYTES;
  const nonce = datagram.subarray(TAG_BYTES, HEAD_BYTES);
  const cipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: SEAL_BYTES });
  cipher.setAAD(tag).setAuthTag(datagram.subarray(end));
  try {
    return Buffer.concat([cipher.update(datagram.subarray(HEAD_BYTES, end)), cipher.final()]);
  } catch {
    return undefined;
  }
}

function writeContents(
  call: Omit<JoinCall, "nodeId">,
  tag: Buffer,
  { publicKey, sign }: StatementSigner,
): Buffer {
  const { kind, atMs, number, name, enrolmentPort, addresses } = call;
  const point = publicKey.subarray(SPKI_PREFIX.length);
  const isKey = SPKI_PREFIX.equals(publicKey.subarray(0, SPKI_PREFIX.length));
  check(isKey && point.length === POINT_BYTES, "the key is not an uncompressed P-256 key");
  check(Number.isSafeInteger(atMs) && atMs >= 0, "the time is not a time");
  check(/^[0-9a-f]{32}$/.test(number), "the number has 32 hexadecimal digits");
  check(NAME.test(name), "the name is not one of a node");
  check(enrolmentPort >>> 0 === enrolmentPort && enrolmentPort <= 65_535, "the port is none");
  check(addresses.length <= JOIN_CALL_ADDRESSES_MAX, "there are too many addresses");
  const head = Buffer.alloc(NAME_AT);
  head.writeUInt8(VERSION, 0);
  head.writeUInt8(KINDS.indexOf(kind) + 1, 1);
  head.set(point, 2);
  head.writeBigUInt64BE(BigInt(atMs), 2 + POINT_BYTES);
  head.set(Buffer.from(number, "hex"), 2 + POINT_BYTES + 8);
  const port = Buffer.alloc(2);
  port.writeUInt16BE(enrolmentPort);
  const places = addresses.map((address) => {
    check(isAddress(address), "an address is not host:port, or too long");
    return short(address);
  });
  const signed = Buffer.concat([head, short(name), port, Uint8Array.of(places.length), ...places]);
  const signature = sign(signingBytes(tag, signed));
  check(signature.length === SIGNATURE_BYTES, "a signature has 64 bytes");
  const length = signed.length + SIGNATURE_BYTES;
  const rest = length % JOIN_CALL_PADDING_BYTES;
  const padding = Buffer.alloc(rest === 0 ? 0 : JOIN_CALL_PADDING_BYTES - rest);
  return Buffer.concat([signed, signature, padding]);
}

/** Undefined when it is not of the form; the signature is not verified here. */
function readContents(contents: Buffer) {
  const end = contents.length - SIGNATURE_BYTES;
  const kind = KINDS[(contents[1] ?? 0) - 1];
  if (end < NAME_AT + 4 || contents[0] !== VERSION || kind === undefined) return undefined;
  const atMs = Number(contents.readBigUInt64BE(2 + POINT_BYTES));
  const name = readShort(contents, NAME_AT, end);
  if (!Number.isSafeInteger(atMs) || name === undefined || !NAME.test(name)) return undefined;
  let at = NAME_AT + 1 + name.length;
  if (at + 3 > end) return undefined;
  const enrolmentPort = contents.readUInt16BE(at);
  const count = contents[at + 2] ?? 0;
  at += 3;
  if (count > JOIN_CALL_ADDRESSES_MAX) return undefined;
  const addresses: string[] = [];
  for (let index = 0; index < count; index++) {
    const address = readShort(contents, at, end);
    if (address === undefined || !isAddress(address)) return undefined;
    addresses.push(address);
    at += 1 + address.length;
  }
  const padding = contents.subarray(at + SIGNATURE_BYTES);
  if (padding.length >= JOIN_CALL_PADDING_BYTES || padding.some((byte) => byte !== 0)) {
    return undefined;
  }
  const point = contents.subarray(2, 2 + POINT_BYTES);
  const publicKey = new Uint8Array(Buffer.concat([SPKI_PREFIX, point]));
  const number = contents.toString("hex", NAME_AT - NUMBER_BYTES, NAME_AT);
  const nodeId = nodeIdOfPublicKey(publicKey);
  const call: JoinCall = { kind, nodeId, atMs, number, name, enrolmentPort, addresses };
  const signature = contents.subarray(at, at + SIGNATURE_BYTES);
  return { call, publicKey, signed: contents.subarray(0, at), signature };
}

function short(text: string): Buffer {
  return Buffer.concat([Uint8Array.of(text.length), Buffer.from(text, "latin1")]);
}

function readShort(contents: Buffer, at: number, end: number): string | undefined {
  const until = at + 1 + (contents[at] ?? 0);
  return until > end ? undefined : contents.toString("latin1", at + 1, until);
}

function isAddress(text: string): boolean {
  return text.length <= JOIN_CALL_ADDRESS_LENGTH_MAX && ADDRESS.test(text);
}

function signingBytes(tag: Uint8Array, signed: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, tag, signed]);
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new MeshError("MESH_BAD_REQUEST", { message: `call: ${message}` });
}
