/**
 * The bytes of membership: datagrams of the protocol, and whole views that go over a link.
 *
 * | bytes    | what                                                                            |
 * |----------|---------------------------------------------------------------------------------|
 * | 1        | magic, 0xd7                                                                     |
 * | 1        | version, 1                                                                      |
 * | 1        | kind: 1 ping, 2 ack, 3 ping-request, 4 nack, 5 gossip, 6 view (claims alone)    |
 * | 32       | from: who sends it; the first id of the table. Not in a view                    |
 * | varint   | sequence; in kinds 1 to 4                                                       |
 * | id       | target; in kinds 1 and 3                                                        |
 * | text     | address of the target; in kind 3                                                |
 * | the rest | claims, one after the other up to the end                                       |
 *
 * | claim    | bytes                                                                           |
 * |----------|---------------------------------------------------------------------------------|
 * | self     | tag 1, or 2 when leaving; id; name text; address text; varint incarnation;      |
 * |          | meta run; proof run                                                             |
 * | suspect  | tag 3; id; varint incarnation; id of who believes it                            |
 * | dead     | tag 4; as suspect                                                               |
 *
 * - varint: LEB128 of an integer below 2^53, as short as possible.
 * - run: varint length, bytes. text: a run of UTF-8; an address is ASCII without spaces.
 * - id: 0 and the 32 bytes behind the node id, which joins the table; or varint N >= 1, the N-th
 *   id of the table. An id that is in the table must be named by its number.
 *
 * One message has one encoding, and the decoder takes no other: what it accepts, the encoder makes
 * again byte for byte. It reads in one pass, takes no memory for a length before the bytes are
 * there, and copies what a record keeps, so that no record holds a receive buffer.
 *
 * These bytes do not prove who sent them: `from` is a mere statement here, and proofs of records
 * are carried and not verified (`verifyRecord` does that). A wrapper around the datagram
 * authenticates it, and a link authenticates a view.
 */
import { isUtf8 } from "node:buffer";
import { MeshError, type NodeId } from "@hearthmesh/core";
import {
  ADDRESS_BYTES_MAX,
  DATAGRAM_BYTES_MAX,
  DATAGRAM_CLAIMS_MAX,
  NODE_META_BYTES_MAX,
  NODE_NAME_BYTES_MAX,
  PROOF_BYTES_MAX,
  SYNC_CLAIMS_MAX,
} from "./limits.js";
import {
  checkAddress,
  checkNumber,
  checkSignedRecordFields,
  NODE_ID_BYTES,
  nodeIdFromBytes,
  nodeIdToBytes,
} from "./record-proof.js";
import type { Claim, NodeRecord, SwimMessage } from "./swim/messages.js";

const MAGIC = 0xd7;
const VERSION = 1;
const KIND = { ping: 1, ack: 2, "ping-request": 3, nack: 4, gossip: 5, view: 6 } as const;
const TAG = { self: 1, leaving: 2, suspect: 3, dead: 4 } as const;
/** Tag, two ids of the table, a small incarnation. */
const CLAIM_BYTES_MIN = 4;

export interface EncodedDatagram {
  readonly bytes: Uint8Array;
  /** How many claims went in. */
  readonly claimsTaken: number;
  /** Which: their places in `message.claims`, ascending. */
  readonly takenIndexes: readonly number[];
}

/**
 * The message with as many of its claims as fit into `bytesMax`, in order; one that does not fit is
 * passed over and the next ones are tried. Throws `MESH_BAD_REQUEST` for a value that the format
 * cannot carry or a `bytesMax` above `DATAGRAM_BYTES_MAX`, and `MESH_LIMIT` when not even the head
 * fits.
 */
export function encodeDatagram(
  message: SwimMessage,
  bytesMax: number = DATAGRAM_BYTES_MAX,
): EncodedDatagram {
  if (!(bytesMax <= DATAGRAM_BYTES_MAX)) {
    throw invalid(`a datagram has up to ${DATAGRAM_BYTES_MAX} bytes`);
  }
  const writer = new Writer(KIND[message.kind]);
  writeHead(writer, message);
  if (writer.length > bytesMax) {
    throw tooLarge(`the head of the datagram has ${writer.length} bytes`, bytesMax);
  }
  const takenIndexes: number[] = [];
  for (const [index, claim] of message.claims.entries()) {
    const roomBytes = bytesMax - writer.length;
    if (takenIndexes.length >= DATAGRAM_CLAIMS_MAX || roomBytes < CLAIM_BYTES_MIN) break;
    if (claimBytes(writer, claim) > roomBytes) continue;
    writeClaim(writer, claim);
    takenIndexes.push(index);
  }
  return { bytes: writer.finish(), claimsTaken: takenIndexes.length, takenIndexes };
}

/**
 * The message in a datagram. Throws `MESH_PROTOCOL` when it is none of this protocol and version,
 * and `MESH_BAD_REQUEST` when it is damaged or outside the limits; nothing else.
 */
export function decodeDatagram(bytes: Uint8Array): SwimMessage {
  if (bytes.length > DATAGRAM_BYTES_MAX) {
    throw invalid(`a datagram has up to ${DATAGRAM_BYTES_MAX} bytes, this one ${bytes.length}`);
  }
  const reader = new Reader(bytes);
  const kind = readKind(reader);
  if (kind < KIND.ping || kind > KIND.gossip) throw invalid("the datagram is of no known kind");
  const from = reader.newId();
  if (kind === KIND.gossip) return { kind: "gossip", from, claims: readClaims(reader) };
  const sequence = reader.varint();
  if (kind === KIND.ack) return { kind: "ack", from, sequence, claims: readClaims(reader) };
  if (kind === KIND.nack) return { kind: "nack", from, sequence, claims: readClaims(reader) };
  const target = reader.id();
  const head = { from, sequence, target };
  if (kind === KIND.ping) return { kind: "ping", ...head, claims: readClaims(reader) };
  const targetAddress = reader.address();
  return { kind: "ping-request", ...head, targetAddress, claims: readClaims(reader) };
}

/**
 * A whole view, for one message on a link. Throws `MESH_LIMIT` above `SYNC_CLAIMS_MAX` claims and
 * `MESH_BAD_REQUEST` for a value that the format cannot carry.
 */
export function encodeClaims(claims: readonly Claim[]): Uint8Array {
  if (claims.length > SYNC_CLAIMS_MAX) {
    throw tooLarge(`the view has ${claims.length} claims`, SYNC_CLAIMS_MAX);
  }
  const writer = new Writer(KIND.view);
  for (const claim of claims) writeClaim(writer, claim);
  return writer.finish();
}

/** The reverse of `encodeClaims`; the same errors as `decodeDatagram`. */
export function decodeClaims(bytes: Uint8Array): Claim[] {
  const reader = new Reader(bytes);
  if (readKind(reader) !== KIND.view) throw invalid("the message is not a view");
  return readClaims(reader, SYNC_CLAIMS_MAX);
}

function invalid(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", { message });
}

function tooLarge(message: string, limit: number): MeshError {
  return new MeshError("MESH_LIMIT", { message: `${message}, the limit is ${limit}` });
}

function writeHead(writer: Writer, message: SwimMessage): void {
  writer.newId(message.from);
  if (message.kind === "gossip") return;
  writer.varint(message.sequence);
  if (message.kind === "ping" || message.kind === "ping-request") writer.id(message.target);
  if (message.kind === "ping-request") {
    checkAddress(message.targetAddress);
    writer.run(Buffer.from(message.targetAddress, "latin1"));
  }
}

function writeClaim(writer: Writer, claim: Claim): void {
  if (claim.kind === "self") {
    const { record } = claim;
    checkSignedRecordFields(record);
    writer.byte(record.isLeaving ? TAG.leaving : TAG.self);
    writer.id(record.nodeId);
    writer.run(Buffer.from(record.name, "utf8"));
    writer.run(Buffer.from(record.address, "latin1"));
    writer.varint(record.incarnation);
    writer.run(record.meta);
    writer.run(record.proof);
    return;
  }
  writer.byte(TAG[claim.kind]);
  writer.id(claim.nodeId);
  writer.varint(claim.incarnation);
  writer.id(claim.from);
}

/** What `writeClaim` would add: known before it is tried, since a queue may hold thousands. */
function claimBytes(writer: Writer, claim: Claim): number {
  if (claim.kind === "self") {
    const { nodeId, name, address, incarnation, meta, proof } = claim.record;
    const runs = [Buffer.byteLength(name), address.length, meta.length, proof.length];
    const runsBytes = runs.reduce((sum, length) => sum + varintBytes(length) + length, 0);
    return 1 + writer.idBytes(nodeId) + varintBytes(incarnation) + runsBytes;
  }
  const { nodeId, from, incarnation } = claim;
  return 1 + writer.idBytes(nodeId) + varintBytes(incarnation) + writer.idBytes(from, nodeId);
}

function readKind(reader: Reader): number {
  if (reader.byte() !== MAGIC) {
    throw new MeshError("MESH_PROTOCOL", { message: "the bytes are none of the membership's" });
  }
  const version = reader.byte();
  if (version !== VERSION) {
    throw new MeshError("MESH_PROTOCOL", {
      message: `the other side speaks version ${version} of membership, this side ${VERSION}`,
      hint: "Run versions that fit on both sides.",
    });
  }
  return reader.byte();
}

function readClaims(reader: Reader, claimsMax = DATAGRAM_CLAIMS_MAX): Claim[] {
  const claims: Claim[] = [];
  while (!reader.isAtEnd) {
    if (claims.length >= claimsMax) throw invalid(`there are more than ${claimsMax} claims`);
    claims.push(readClaim(reader));
  }
  return claims;
}

function readClaim(reader: Reader): Claim {
  const tag = reader.byte();
  if (tag === TAG.self || tag === TAG.leaving) {
    return { kind: "self", record: readRecord(reader, tag === TAG.leaving) };
  }
  if (tag !== TAG.suspect && tag !== TAG.dead) throw invalid("the claim is of no known kind");
  const nodeId = reader.id();
  const incarnation = reader.varint();
  return { kind: tag === TAG.dead ? "dead" : "suspect", nodeId, incarnation, from: reader.id() };
}

function readRecord(reader: Reader, isLeaving: boolean): NodeRecord {
  const nodeId = reader.id();
  const name = reader.text(NODE_NAME_BYTES_MAX);
  const address = reader.address();
  const incarnation = reader.varint();
  // A Buffer's own slice would be a view.
  const meta = new Uint8Array(reader.run(NODE_META_BYTES_MAX));
  const proof = new Uint8Array(reader.run(PROOF_BYTES_MAX));
  const record = { nodeId, name, address, incarnation, isLeaving, meta, proof };
  checkSignedRecordFields(record);
  return record;
}

/** For numbers in range; others are refused when they are written. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80 && bytes < 8; rest /= 0x80) bytes++;
  return bytes;
}

/** Bytes that grow as they are written, with the table of ids. */
class Writer {
  #bytes = new Uint8Array(DATAGRAM_BYTES_MAX);
  #length = 0;
  /** The number of each id. */
  readonly #ids = new Map<NodeId, number>();

  /** Begins a message of this kind. */
  constructor(kind: number) {
    for (const value of [MAGIC, VERSION, kind]) this.byte(value);
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Without bitwise operators, which would cut what is above 2^31. */
  varint(value: number): void {
    checkNumber("number", value);
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  run(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.#raw(bytes);
  }

  id(nodeId: NodeId): void {
    const number = this.#ids.get(nodeId);
    this.varint(number ?? 0);
    if (number === undefined) this.newId(nodeId);
  }

  /** An id that is known to be new, so that nothing needs to say so. */
  newId(nodeId: NodeId): void {
    this.#raw(nodeIdToBytes(nodeId));
    this.#ids.set(nodeId, this.#ids.size + 1);
  }

  /** What `id` would write, also after an id that is not written yet. */
  idBytes(nodeId: NodeId, after?: NodeId): number {
    const next = nodeId === after ? this.#ids.size + 1 : undefined;
    const number = this.#ids.get(nodeId) ?? next;
    return number === undefined ? 1 + NODE_ID_BYTES : varintBytes(number);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Reads what `Writer` writes; throws `MESH_BAD_REQUEST` at the end or for a second encoding. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  readonly #ids: NodeId[] = [];
  readonly #known = new Set<NodeId>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw invalid("the message ends too early");
    this.#at++;
    return byte;
  }

  varint(): number {
    let value = 0;
    // Eight bytes hold 56 bits; what is above 2^53 may be rounded, but never down to below it.
    for (let index = 0, unit = 1; index < 8; index++, unit *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte >= 0x80) continue;
      if ((byte === 0 && index > 0) || value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw invalid("a number is not a short varint below 2^53");
  }

  /** A view of the next bytes. */
  run(bytesMax: number): Uint8Array {
    const length = this.varint();
    if (length > bytesMax) throw invalid(`a field has ${length} bytes, its limit is ${bytesMax}`);
    return this.#take(length);
  }

  text(bytesMax: number): string {
    const run = this.run(bytesMax);
    if (!isUtf8(run)) throw invalid("a text is not UTF-8");
    return Buffer.from(run.buffer, run.byteOffset, run.length).toString("utf8");
  }

  address(): string {
    const address = this.text(ADDRESS_BYTES_MAX);
    checkAddress(address);
    return address;
  }

  id(): NodeId {
    const number = this.varint();
    if (number === 0) return this.newId();
    const nodeId = this.#ids[number - 1];
    if (nodeId === undefined) throw invalid("a node id is named before it is given");
    return nodeId;
  }

  newId(): NodeId {
    const nodeId = nodeIdFromBytes(this.#take(NODE_ID_BYTES));
    if (this.#known.has(nodeId)) throw invalid("a node id is given twice");
    this.#known.add(nodeId);
    this.#ids.push(nodeId);
    return nodeId;
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw invalid("the message ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
