/**
 * A snapshot of a member's records as a stream: gzip over
 *
 *     "HMSNAP1\n" | u32 length | head (JSON) | row ... | u32 0xffffffff | u64 rows
 *     row   u32 bytes of the key | u32 bytes of the value | key | value
 *
 * Numbers are big-endian. The end says how many rows there were, so that a stream that was cut off
 * is never taken for a whole one. It is sealed before it leaves the machine (`snapshot-seal.ts`).
 */
import { pipeline, Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { limits, MeshError } from "@hearthmesh/core";

const MAGIC = Buffer.from("HMSNAP1\n", "latin1");
const END = 0xffff_ffff;
const HEAD_BYTES_MAX = 1 << 20;
/** Rows are written to the compressor together up to this size. */
const PAGE_BYTES = 64 * 1024;

/** What a snapshot says in front of its rows. */
export interface SnapshotHead {
  readonly v: 1;
  readonly memberId: string;
  readonly trustDomain: string;
  /** Of the leader that took it: after a restore it is higher than ever before. */
  readonly epoch: number;
  /** One more for each snapshot. */
  readonly sequence: number;
  /** Revision of the store at which all rows were read. */
  readonly revision: number;
  readonly takenAtMs: number;
  /** Files of the coordinator's home that a restored one needs, by a name of their own. */
  readonly home: Readonly<Record<string, string>>;
}

export interface SnapshotRow {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Rows must not change while they are read. Holds a page and the compressor's window. */
export async function* encodeSnapshot(
  head: SnapshotHead,
  rows: AsyncIterable<SnapshotRow>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const gzip = createGzip({ level: 4 });
  pipeline(Readable.from(plainSnapshot(head, rows)), gzip, () => undefined);
  yield* gzip as AsyncIterable<Uint8Array>;
}

async function* plainSnapshot(
  head: SnapshotHead,
  rows: AsyncIterable<SnapshotRow>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const json = Buffer.from(JSON.stringify(head), "utf8");
  if (json.length > HEAD_BYTES_MAX) throw broken("its head is too long");
  let page: Uint8Array[] = [MAGIC, u32(json.length), json];
  let bytes = 0;
  let count = 0;
  for await (const { key, value } of rows) {
    const name = Buffer.from(key, "utf8");
    page.push(u32(name.length), u32(value.length), name, value);
    bytes += name.length + value.length;
    count++;
    if (bytes < PAGE_BYTES) continue;
    yield Buffer.concat(page);
    page = [];
    bytes = 0;
  }
  const end = Buffer.alloc(8);
  end.writeBigUInt64BE(BigInt(count));
  yield Buffer.concat([...page, u32(END), end]);
}

export interface OpenSnapshot {
  readonly head: SnapshotHead;
  /** To be read once. Ends without an error only when every row was there. */
  readonly rows: AsyncGenerator<SnapshotRow, void, undefined>;
}

/** `MESH_STORE_CORRUPT` for what is not a whole snapshot, `MESH_STORE_NEWER`. */
export async function decodeSnapshot(source: AsyncIterable<Uint8Array>): Promise<OpenSnapshot> {
  const gunzip = createGunzip();
  pipeline(Readable.from(source), gunzip, () => undefined);
  const reader = new ByteReader(gunzip as AsyncIterable<Uint8Array>);
  const magic = await reader.take(MAGIC.length);
  if (!magic.equals(MAGIC)) throw broken("it is no snapshot of records");
  const length = (await reader.take(4)).readUInt32BE(0);
  if (length > HEAD_BYTES_MAX) throw broken("its head is too long");
  const head = readHead((await reader.take(length)).toString("utf8"));
  return { head, rows: rowsOf(reader) };
}

async function* rowsOf(reader: ByteReader): AsyncGenerator<SnapshotRow, void, undefined> {
  for (let count = 0n; ; count++) {
    const keyBytes = (await reader.take(4)).readUInt32BE(0);
    if (keyBytes === END) {
      const wanted = (await reader.take(8)).readBigUInt64BE(0);
      if (wanted !== count) throw broken(`it has ${count} of ${wanted} rows`);
      // What it came from is judged as a whole at its own end.
      return reader.end();
    }
    const valueBytes = (await reader.take(4)).readUInt32BE(0);
    const fits =
      keyBytes > 0 &&
      keyBytes <= limits.STORE_KEY_BYTES_MAX &&
      valueBytes <= limits.STORE_VALUE_BYTES_MAX;
    if (!fits) throw broken("a row is longer than the store takes");
    const key = (await reader.take(keyBytes)).toString("utf8");
    // A copy: the page that it came in is reused by nobody, but would be kept alive as a whole.
    yield { key, value: Uint8Array.from(await reader.take(valueBytes)) };
  }
}

function readHead(text: string): SnapshotHead {
  let head: Partial<Record<keyof SnapshotHead, unknown>>;
  try {
    head = JSON.parse(text) as typeof head;
  } catch {
    throw broken("its head is not readable");
  }
  if (typeof head.v === "number" && head.v > 1) throw new MeshError("MESH_STORE_NEWER");
  const { memberId, trustDomain, epoch, sequence, revision, takenAtMs, home } = head;
  const isWhole =
    head.v === 1 &&
    [memberId, trustDomain].every((one) => typeof one === "string") &&
    [epoch, sequence, revision].every((one) => Number.isSafeInteger(one)) &&
    typeof takenAtMs === "number" &&
    home !== null &&
    typeof home === "object" &&
    Object.values(home).every((one) => typeof one === "string");
  if (!isWhole) throw broken("its head is not complete");
  return head as unknown as SnapshotHead;
}

/** Exact pieces out of a stream that is cut anywhere. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async take(bytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let missing = bytes;
    while (missing > 0) {
      if (this.#rest.length === 0) this.#rest = await this.#next();
      const piece = this.#rest.subarray(0, missing);
      pieces.push(piece);
      missing -= piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  }

  /** Throws when anything follows, or when the source fails at its end. */
  async end(): Promise<void> {
    if (this.#rest.length > 0 || (await this.#read()).done !== true) {
      throw broken("something follows its end");
    }
  }

  async #next(): Promise<Buffer> {
    const next = await this.#read();
    if (next.done === true) throw broken("it is cut off");
    return Buffer.from(next.value);
  }

  async #read(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#source.next();
    } catch (cause) {
      if (cause instanceof MeshError) throw cause;
      throw new MeshError("MESH_STORE_CORRUPT", {
        message: "the snapshot is damaged: it cannot be unpacked",
        cause,
      });
    }
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function broken(reason: string): MeshError {
  return new MeshError("MESH_STORE_CORRUPT", {
    message: `the snapshot is damaged: ${reason}`,
    hint: "Another friend, or an older snapshot, may have a whole one.",
  });
}
