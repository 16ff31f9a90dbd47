/** Reads and writes the rows of the copies: `c/` and `k/`. */
import type { FileId } from "@hearthmesh/core";
import {
  expectMissing,
  expectRevision,
  type KeyValue,
  type Operation,
  put,
  remove,
  type Store,
} from "@hearthmesh/store";
import { fileOfKey, keys, nameOfEntry } from "../coordinator/keys.js";
import { decodeEntry, decodeJson, encodeJson, type FileRecord } from "../coordinator/records.js";
import type { KeptCopy, KeptRecord, WantedRecord } from "./copy-records.js";

/** A file with the row of its entry. */
export interface FoundFile {
  readonly path: string;
  /** Key of the entry. */
  readonly key: string;
  readonly record: FileRecord;
}

export interface Kept {
  readonly row: KeyValue;
  readonly record: KeptRecord;
}

export class CopyNotes {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async kept(fileId: FileId): Promise<Kept | undefined> {
    const row = await this.#store.get(keys.copiesKept(fileId));
    return row === undefined ? undefined : { row, record: decodeJson<KeptRecord>(row.value) };
  }

  /** Whether the entry at the key still has this content. */
  async isAt(record: KeptRecord, fileId: FileId): Promise<boolean> {
    const row = await this.#store.get(keys.entry(record.directoryId, record.name));
    return row !== undefined && decodeEntry(row.value).fileId === fileId;
  }

  /**
   * Notes which copies there are, and where the file is. Without copies the row goes. False when
   * somebody else wrote the row in the meantime.
   */
  async keep(file: FoundFile, copies: readonly KeptCopy[], before?: Kept): Promise<boolean> {
    const { fileId } = file.record;
    const key = keys.copiesKept(fileId);
    const record: KeptRecord = {
      v: 1,
      path: file.path,
      directoryId: fileOfKey(file.key),
      name: nameOfEntry(file.key),
      owner: file.record.owner,
      copies,
    };
    return this.#write(key, copies.length === 0 ? undefined : record, before);
  }

  /** The same for a file of which no more is known than the row says. */
  rewrite(fileId: FileId, copies: readonly KeptCopy[], before: Kept): Promise<boolean> {
    const record = copies.length === 0 ? undefined : { ...before.record, copies };
    return this.#write(keys.copiesKept(fileId), record, before);
  }

  /** False when it was noted already. */
  async want(fileId: FileId, path: string): Promise<boolean> {
    const key = keys.copiesWanted(fileId);
    const { succeeded } = await this.#store.transact({
      compare: [expectMissing(key)],
      success: [wanted(fileId, path)],
    });
    return succeeded;
  }

  /** The file has what it waited for, unless it was noted anew since the row was read. */
  async satisfied(row: KeyValue): Promise<void> {
    await this.#store.transact({
      compare: [expectRevision(row.key, row.modRevision)],
      success: [remove(row.key)],
    });
  }

  async #write(key: string, record: KeptRecord | undefined, before?: Kept): Promise<boolean> {
    const { succeeded } = await this.#store.transact({
      compare: [
        before === undefined ? expectMissing(key) : expectRevision(key, before.row.modRevision),
      ],
      success: [record === undefined ? remove(key) : put(key, encodeJson(record))],
    });
    return succeeded;
  }
}

/** The row by which a file waits for its copies. */
export function wanted(fileId: FileId, path: string): Operation {
  const record: WantedRecord = { v: 1, path };
  return put(keys.copiesWanted(fileId), encodeJson(record));
}
