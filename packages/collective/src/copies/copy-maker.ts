/** Brings one copy to one friend, looks at it, reads it back, takes it away. */
import { type Clock, type FileId, isMeshError, MeshError, type Random } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import type { FileRecord } from "../coordinator/records.js";
import { segmentsOf } from "../coordinator/segments.js";
import { chunkIdOf } from "../storage/blake3.js";
import { ChunkIdHash } from "./content-hash.js";
import type { CopyHeader } from "./copy-header.js";
import { type CopyKeys, newSalt } from "./copy-keys.js";
import { copyPath, type KeptCopy } from "./copy-records.js";
import type { FriendFiles, FriendsPort, HomeFiles } from "./friends.js";
import { type CopyReader, openCopy } from "./open-copy.js";
import { sealCopy, sealedSizeOf } from "./seal-copy.js";
import { openSealed, readSealed, writeSealed } from "./sealed-file.js";

const SEGMENTS_PER_PAGE = 64;

export interface CopyMakerOptions {
  readonly keys: CopyKeys;
  readonly ownDomain: string;
  readonly store: Store;
  readonly home: HomeFiles;
  readonly friends: FriendsPort;
  readonly clock: Clock;
  readonly random: Random;
}

/** What is needed to make copies of a file, whoever gets them. */
export interface CopySource {
  readonly path: string;
  readonly record: FileRecord;
  readonly header: CopyHeader;
  readonly sealedBytes: number;
}

export class CopyMaker {
  readonly #options: CopyMakerOptions;

  constructor(options: CopyMakerOptions) {
    this.#options = options;
  }

  /** What a copy takes at a friend's; without a look at the manifest. */
  sizeOf(path: string, record: FileRecord): number {
    return sealedSizeOf(headerOf(path, record, ANY_HASH));
  }

  async source(path: string, record: FileRecord): Promise<CopySource> {
    const header = headerOf(path, record, await this.#contentHash(record));
    return { path, record, header, sealedBytes: sealedSizeOf(header) };
  }

  /**
   * Writes the copy, then reads its ends back. `MESH_PATH_CHANGED` when the path has another file
   * by now, `MESH_QUOTA` when the friend has no more room, and whatever else it says.
   */
  async make(source: CopySource, member: string, pace: Pace, signal: AbortSignal) {
    const files = this.#options.friends.files(member);
    const name = this.#options.keys.nameOfFile(source.record.fileId, member);
    const path = copyPath(this.#options.ownDomain, name);
    await writeSealed(files, path, () => this.#seal(source, name, pace, signal), signal);
    await this.#checkEnds(files, name, path, source, signal);
    const nowMs = this.#options.clock.nowMs();
    const { sealedBytes } = source;
    const times = { madeAtMs: nowMs, seenAtMs: nowMs, checkedAtMs: nowMs };
    return { member, sealedBytes, ...times } satisfies KeptCopy;
  }

  /** Whether the friend still has the copy in its size. Throws when it cannot be asked. */
  async isThere(fileId: FileId, copy: KeptCopy, signal: AbortSignal): Promise<boolean> {
    const { friends } = this.#options;
    try {
      const entry = await friends.files(copy.member).stat(this.#pathOf(fileId, copy), signal);
      return entry.kind === "file" && entry.sizeBytes === copy.sealedBytes;
    } catch (error) {
      if (isMeshError(error, "MESH_PATH_NOT_FOUND")) return false;
      throw error;
    }
  }

  /** Reads the whole copy and throws `MESH_COPY_DAMAGED` unless it opens. */
  async readBack(fileId: FileId, copy: KeptCopy, pace: Pace, signal: AbortSignal): Promise<void> {
    const { keys: copyKeys, friends } = this.#options;
    const { member, sealedBytes } = copy;
    const name = copyKeys.nameOfFile(fileId, member);
    const path = this.#pathOf(fileId, copy);
    const { stream } = await friends.files(member).read(path, { signal });
    const { content } = await openCopy(copyKeys, { name, sealedBytes }, stream);
    for await (const bytes of content) await pace(bytes.length);
  }

  /** Content is no error when the copy is gone already. */
  async remove(fileId: FileId, copy: KeptCopy, signal: AbortSignal): Promise<void> {
    try {
      const files = this.#options.friends.files(copy.member);
      await files.remove(this.#pathOf(fileId, copy), { signal });
    } catch (error) {
      if (!isMeshError(error, "MESH_PATH_NOT_FOUND")) throw error;
    }
  }

  /** Opens a copy for reading parts of it. */
  async open(fileId: FileId, copy: KeptCopy, signal: AbortSignal): Promise<OpenCopyAtFriend> {
    const { keys: copyKeys, friends } = this.#options;
    const files = friends.files(copy.member);
    const path = this.#pathOf(fileId, copy);
    const { sealedBytes } = copy;
    const name = copyKeys.nameOfFile(fileId, copy.member);
    const reader = await openSealed(copyKeys, files, path, { name, sealedBytes }, signal);
    return new OpenCopyAtFriend(reader, (start, endInclusive) =>
      readSealed(files, path, start, endInclusive, signal),
    );
  }

  #pathOf(fileId: FileId, { member }: KeptCopy): string {
    return copyPath(this.#options.ownDomain, this.#options.keys.nameOfFile(fileId, member));
  }

  async #seal(
    { path, record, header }: CopySource,
    name: string,
    pace: Pace,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { keys: copyKeys, home, random } = this.#options;
    const { entry, stream } = await home.read(path, { signal });
    if (entry.fileId !== record.fileId) {
      throw new MeshError("MESH_PATH_CHANGED", { message: `${path} was replaced` });
    }
    const input = { name, header, content: stream, salt: newSalt(random) };
    return paced(sealCopy(copyKeys, input), pace);
  }

  /** The first part and the last one, opened: what lies between is a matter of `readBack`. */
  async #checkEnds(
    files: FriendFiles,
    name: string,
    path: string,
    { sealedBytes }: CopySource,
    signal: AbortSignal,
  ): Promise<void> {
    const copy = { name, sealedBytes };
    const reader = await openSealed(this.#options.keys, files, path, copy, signal);
    const last = reader.pieces - 1;
    if (last === 0) return;
    const { start, endInclusive } = reader.rangeOf(last);
    reader.contentOf(last, await readSealed(files, path, start, endInclusive, signal));
  }

  async #contentHash({ fileId, inline, chunks, chunkCount }: FileRecord): Promise<string> {
    const hash = new ChunkIdHash();
    if (inline !== undefined) hash.add(inline.length === 0 ? [] : [chunkIdOf([inline])]);
    else if (chunks !== undefined) hash.add(chunks);
    else await this.#addSegments(fileId, hash);
    if (inline !== undefined || hash.count === chunkCount) return hash.digest();
    throw new MeshError("MESH_PATH_CHANGED", { message: "the file was replaced" });
  }

  async #addSegments(fileId: FileId, hash: ChunkIdHash): Promise<void> {
    const options = { limit: SEGMENTS_PER_PAGE };
    for await (const ids of segmentsOf(this.#options.store, fileId, options)) hash.add(ids);
  }
}

/** As long as every other one. */
const ANY_HASH = "0".repeat(64);

function headerOf(path: string, record: FileRecord, contentHash: string): CopyHeader {
  const { fileId, owner, sizeBytes, createdAtMs, modifiedAtMs } = record;
  const facts = { path, owner, sizeBytes, createdAtMs, modifiedAtMs, contentHash };
  return { v: 1, label: fileId, ...facts };
}

/** Rests as the worker's settings say. */
export type Pace = (bytes: number) => Promise<void>;

/** A copy of which any range is read. */
export class OpenCopyAtFriend {
  readonly #reader: CopyReader;
  readonly #readSealed: (start: number, endInclusive: number) => Promise<Uint8Array>;
  /** The content of the piece that was read last: ranges follow each other. */
  #present: { readonly index: number; readonly content: Uint8Array } | undefined;

  constructor(reader: CopyReader, readSealed: OpenCopyAtFriend["read"]) {
    this.#reader = reader;
    this.#readSealed = readSealed;
  }

  /** `[start, endExclusive)` of the content. `MESH_COPY_DAMAGED`. */
  async read(start: number, endExclusive: number): Promise<Uint8Array> {
    if (endExclusive <= start) return new Uint8Array(0);
    const { first, last, skip } = this.#reader.piecesFor(start, endExclusive);
    const parts: Uint8Array[] = [];
    for (let index = first; index <= last; index++) parts.push(await this.#contentOf(index));
    return Buffer.concat(parts).subarray(skip, skip + endExclusive - start);
  }

  async #contentOf(index: number): Promise<Uint8Array> {
    if (this.#present?.index === index) return this.#present.content;
    const range = this.#reader.rangeOf(index);
    // The first piece is inside the reader already.
    const length = range.endInclusive - range.start + 1;
    const sealed =
      index === 0
        ? new Uint8Array(length)
        : await this.#readSealed(range.start, range.endInclusive);
    const content = this.#reader.contentOf(index, sealed);
    this.#present = { index, content };
    return content;
  }
}

async function* paced(
  pieces: AsyncIterable<Uint8Array>,
  pace: Pace,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    yield piece;
    await pace(piece.length);
  }
}
