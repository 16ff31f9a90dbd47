/**
 * All rows of the namespace against each other, as they were at one revision, so that nobody who
 * writes meanwhile is accused. References lie in the order of chunks and files in the order of
 * directories; they are compared without a look-up for each: the references that a file should have
 * and those that name it are added up, and only a file whose sums differ is looked at in detail.
 *
 * The sums of a part of all files are in memory at a time; more files make more passes.
 */
import { type ChunkId, type FileId, limits } from "@hearthmesh/core";
import type { KeyValue, Store } from "@hearthmesh/store";
import { chunkOfReference, fileOfKey, fileOfReference, ROOT_ID, type WalkedKind } from "../keys.js";
import { decodeDead, decodeEntry, type FileRecord } from "../records.js";
import { segmentsOf } from "../segments.js";
import { pagesOf } from "../store-helpers.js";
import { decodeTrash } from "../trash-records.js";
import type { Progress } from "../workers/worker-definition.js";

const PAGE_ROWS = 1_000;
const PART_DIGITS = 4;

/** A file that has to be looked at in detail. */
export interface SuspectFile {
  readonly key: string;
  readonly fileId: FileId;
}

export interface RowsSeen {
  files: number;
  directories: number;
  bytes: number;
  references: number;
  dead: number;
  trash: number;
  /** Bounded lists; the counts are in the report as far as these go. */
  readonly suspects: SuspectFile[];
  readonly strayReferences: string[];
  readonly straySegments: string[];
  readonly strayQueued: string[];
  readonly deadAlive: FileId[];
  /** The rows of those. */
  readonly keyOfAlive: Map<FileId, string>;
  readonly twice: FileId[];
  readonly orphans: FileId[];
  readonly segmentsMissing: SuspectFile[];
  /** Some list was full: there is more. */
  isCut: boolean;
}

interface Sums {
  count: number;
  high: number;
  low: number;
}

export interface RowsOptions {
  readonly store: Store;
  readonly revision: number;
  /** How many files there are, about: decides how many passes are made. */
  readonly filesExpected: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Throws `MESH_STORE_COMPACTED` when the revision is no longer kept. */
export async function lookAtRows(options: RowsOptions): Promise<RowsSeen> {
  const parts = Math.max(1, Math.ceil(options.filesExpected / limits.FSCK_FILES_IN_MEMORY_MAX));
  const seen = nothingSeen();
  for (let part = 0; part < parts; part++) {
    await new RowsPass(options, seen, part, parts).run();
    options.progress.portion((0.5 * (part + 1)) / parts);
  }
  return seen;
}

function nothingSeen(): RowsSeen {
  return {
    ...{ files: 0, directories: 0, bytes: 0, references: 0, dead: 0, trash: 0 },
    ...{ suspects: [], strayReferences: [], straySegments: [], strayQueued: [] },
    keyOfAlive: new Map(),
    ...{ deadAlive: [], twice: [], orphans: [], segmentsMissing: [] },
    isCut: false,
  };
}

class RowsPass {
  readonly #options: RowsOptions;
  readonly #seen: RowsSeen;
  readonly #part: number;
  readonly #parts: number;
  /** What the files should have, less what was found: all zero at the end. */
  readonly #sums = new Map<FileId, Sums>();
  readonly #keyOf = new Map<FileId, string>();
  /** Known contents that are not compared: uploads, and what is being swept. */
  readonly #known = new Set<FileId>();
  readonly #directories = new Set<FileId>([ROOT_ID]);
  readonly #parents = new Set<FileId>();

  constructor(options: RowsOptions, seen: RowsSeen, part: number, parts: number) {
    this.#options = options;
    this.#seen = seen;
    this.#part = part;
    this.#parts = parts;
  }

  async run(): Promise<void> {
    for await (const row of this.#rows("f")) await this.#entry(row);
    for await (const row of this.#rows("t")) await this.#trashed(row);
    for await (const row of this.#rows("u", true)) this.#known.add(fileOfKey(row.key));
    for await (const row of this.#rows("d")) this.#dead(row);
    for await (const row of this.#rows("r", true)) this.#reference(row);
    await this.#strays("m", this.#seen.straySegments);
    await this.#strays("q", this.#seen.strayQueued);
    for (const [fileId, sums] of this.#sums) {
      if (sums.count === 0 && sums.high === 0 && sums.low === 0) continue;
      this.#push(this.#seen.suspects, { key: this.#keyOf.get(fileId) ?? "", fileId });
    }
    for (const parent of this.#parents) {
      if (!this.#directories.has(parent)) this.#push(this.#seen.orphans, parent);
    }
  }

  get #isFirst(): boolean {
    return this.#part === 0;
  }

  #isMine(fileId: FileId): boolean {
    return Number.parseInt(fileId.slice(-PART_DIGITS), 16) % this.#parts === this.#part;
  }

  async #entry(row: KeyValue): Promise<void> {
    const record = decodeEntry(row.value);
    const { fileId } = record;
    if (record.kind === "directory") {
      if (this.#isFirst) {
        this.#seen.directories++;
        this.#directories.add(fileId);
      }
    } else {
      if (this.#isFirst) {
        this.#seen.files++;
        this.#seen.bytes += record.sizeBytes;
      }
      await this.#file(row.key, record);
    }
    if (this.#isFirst) this.#parents.add(fileOfKey(row.key));
  }

  async #trashed(row: KeyValue): Promise<void> {
    const { entry } = decodeTrash(row.value);
    if (this.#isFirst) this.#seen.trash++;
    if (entry.kind === "file") await this.#file(row.key, entry);
    else this.#directories.add(entry.fileId);
  }

  async #file(key: string, record: FileRecord): Promise<void> {
    const { fileId, chunkCount } = record;
    if (!this.#isMine(fileId)) return;
    if (this.#keyOf.has(fileId)) this.#push(this.#seen.twice, fileId);
    this.#keyOf.set(fileId, key);
    const sums: Sums = { count: 0, high: 0, low: 0 };
    this.#sums.set(fileId, sums);
    if (chunkCount === 0) return;
    const chunks = record.chunks ?? (await this.#segmentsOf(fileId));
    if (chunks.length !== chunkCount) this.#push(this.#seen.segmentsMissing, { key, fileId });
    for (const id of new Set(chunks)) add(sums, id, 1);
  }

  async #segmentsOf(fileId: FileId): Promise<readonly ChunkId[]> {
    const { store, revision, signal, progress } = this.#options;
    const chunks: ChunkId[] = [];
    for await (const ids of segmentsOf(store, fileId, { limit: PAGE_ROWS, revision })) {
      for (const id of ids) chunks.push(id);
      await progress.pace(0);
      signal.throwIfAborted();
    }
    return chunks;
  }

  #dead(row: KeyValue): void {
    const fileId = fileOfKey(row.key);
    if (this.#isFirst) this.#seen.dead++;
    const key = this.#keyOf.get(fileId);
    if (key !== undefined) {
      this.#push(this.#seen.deadAlive, fileId);
      this.#seen.keyOfAlive.set(fileId, key);
    }
    this.#known.add(fileId);
    if (decodeDead(row.value).kind === "directory") this.#directories.add(fileId);
  }

  #reference(row: KeyValue): void {
    const fileId = fileOfReference(row.key);
    if (this.#isFirst) this.#seen.references++;
    if (!this.#isMine(fileId)) return;
    const sums = this.#sums.get(fileId);
    if (sums !== undefined) add(sums, chunkOfReference(row.key), -1);
    else if (!this.#known.has(fileId)) this.#push(this.#seen.strayReferences, row.key);
  }

  async #strays(kind: "m" | "q", list: string[]): Promise<void> {
    for await (const row of this.#rows(kind, true)) {
      const fileId = fileOfKey(row.key);
      if (!this.#isMine(fileId) || this.#sums.has(fileId) || this.#known.has(fileId)) continue;
      this.#push(list, row.key);
    }
  }

  #push<Item>(list: Item[], item: Item): void {
    if (list.length < limits.FSCK_FINDINGS_MAX) list.push(item);
    else this.#seen.isCut = true;
  }

  async *#rows(kind: WalkedKind, keysOnly = false): AsyncGenerator<KeyValue, void, undefined> {
    const { store, revision, signal, progress } = this.#options;
    const options = { limit: PAGE_ROWS, revision, keysOnly, signal };
    for await (const page of pagesOf(store, kind, options)) {
      yield* page;
      progress.at(`rows ${page.at(-1)?.key.slice(0, 12)}`);
      progress.done(page.length);
      await progress.pace(0);
    }
  }
}

/** Exclusive or makes the order of rows and files not matter. */
function add(sums: Sums, id: ChunkId, sign: 1 | -1): void {
  sums.count += sign;
  sums.high ^= Number.parseInt(id.slice(0, 8), 16);
  sums.low ^= Number.parseInt(id.slice(8, 16), 16);
}
