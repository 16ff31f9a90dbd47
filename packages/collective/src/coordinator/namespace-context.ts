/** What the operations of the namespace share, and the rules that several of them need. */
import { type Clock, type FileId, MeshError, type Random } from "@hearthmesh/core";
import { type KeyValue, type Operation, put, type Store } from "@hearthmesh/store";
import type { Directories } from "./directories.js";
import type { KeyedMutex, SharedGate } from "./gates.js";
import { keys } from "./keys.js";
import type { MeshPath } from "./paths.js";
import type { QuotaLedger } from "./quota-ledger.js";
import { type DeadRecord, decodeEntry, type EntryRecord, encodeDead } from "./records.js";
import type { Usage } from "./usage.js";

export interface NamespaceContext {
  readonly store: Store;
  readonly directories: Directories;
  /**
   * Held alone by moves of directories and by what needs an empty directory, shared by every other
   * change of an entry.
   */
  readonly gate: SharedGate;
  /** One writer at a time for each entry. */
  readonly mutex: KeyedMutex;
  readonly usage: Usage;
  readonly clock: Clock;
  readonly random: Random;
  /** What peers may keep here. */
  readonly quotas: QuotaLedger;
  /** Copies at friends; absent where none are kept. */
  readonly copies?: CopyHooks | undefined;
  /** Names this run of the coordinator; see `DeadRecord`. */
  readonly run: string;
  /** How long what was removed can be had back; 0: it cannot. */
  readonly trashRetentionMs: number;
}

/** What the copies at friends have to do with a change of the namespace. */
interface CopyHooks {
  /** What a transaction that puts a content at a path writes for its copies; then `linked`. */
  linking(path: string, fileId: FileId): readonly Operation[];
  linked(path: string): void;
  /** The same for a directory with all below it. */
  moving(from: string, to: string): readonly Operation[];
  moved(from: string, to: string): void;
}

/** An entry with the row that it was read from. */
export interface Found {
  readonly row: KeyValue;
  readonly record: EntryRecord;
}

export async function loadEntry(store: Store, key: string): Promise<Found | undefined> {
  const row = await store.get(key);
  return row === undefined ? undefined : { row, record: decodeEntry(row.value) };
}

/**
 * `MESH_PATH_CHANGED` unless the entry is what the caller expects (see `FilePutRequest.ifMatch`).
 */
export function checkIfMatch(
  path: MeshPath,
  ifMatch: string | undefined,
  record: EntryRecord | undefined,
): void {
  if (ifMatch === undefined) return;
  const holds = ifMatch === "*" ? record !== undefined : (record?.fileId ?? "") === ifMatch;
  if (holds) return;
  const now = record === undefined ? "it does not exist" : "it is another one now";
  throw new MeshError("MESH_PATH_CHANGED", {
    message: `${path.text} is not what you read before: ${now}`,
    details: { path: path.text, ...(record === undefined ? {} : { etag: record.fileId }) },
  });
}

/** Leaves what an entry held to the sweeper. Inline content and nothing else needs no sweeping. */
export function bury(context: NamespaceContext, record: EntryRecord): Operation[] {
  if (record.kind === "file" && record.chunkCount === 0) return [];
  const dead: DeadRecord = {
    kind: record.kind,
    run: context.run,
    atMs: context.clock.monotonicMs(),
    chunks: record.kind === "file" ? (record.chunks ?? []) : [],
  };
  return [put(keys.dead(record.fileId), encodeDead(dead))];
}

export function isDirectoryError(path: MeshPath): MeshError {
  return new MeshError("MESH_IS_A_DIRECTORY", {
    message: `${path.text} is a directory`,
    details: { path: path.text },
  });
}

export function existsError(path: MeshPath): MeshError {
  return new MeshError("MESH_PATH_EXISTS", {
    message: `${path.text} exists`,
    details: { path: path.text },
  });
}

export function notEmptyError(path: MeshPath): MeshError {
  return new MeshError("MESH_DIRECTORY_NOT_EMPTY", {
    message: `${path.text} is not empty`,
    details: { path: path.text },
  });
}
