/**
 * `t/<when><file id>`: an entry that was removed, as it was, with the place where it lay. `when` is
 * the wall clock of the removal in milliseconds, 12 hexadecimal digits, so that the rows lie in the
 * order in which their time comes. What lies behind the key's `t/` is the id of the entry in the
 * trash. References, segments and, for a directory, all rows below stay as they are.
 */
import { type FileId, MeshError } from "@hearthmesh/core";
import type { KeyRange } from "@hearthmesh/store";
import { decodeEntry, decodeJson, type EntryRecord, encodeEntry, encodeJson } from "./records.js";

const WHEN_DIGITS = 12;
const ID = /^[0-9a-f]{44}$/;

export interface TrashRecord {
  /** Where it lay. */
  readonly path: string;
  readonly deletedAtMs: number;
  /** SPIFFE id of who removed it. */
  readonly deletedBy: string;
  readonly entry: EntryRecord;
}

interface StoredRecord extends Omit<TrashRecord, "entry"> {
  readonly v: 1;
  /** As in its directory, base64url. */
  readonly entry: string;
}

export const trashRows: KeyRange = { prefix: "t/" };

export function trashKey(deletedAtMs: number, fileId: FileId): string {
  return `t/${when(deletedAtMs)}${fileId}`;
}

/** Rows in front of the entry with this id. */
export function trashBefore(id: string): KeyRange {
  return { start: "t/", end: `t/${id}` };
}

export function trashIdOf(key: string): string {
  return key.slice(2);
}

export function keyOfTrashId(id: string): string {
  if (ID.test(id)) return `t/${id}`;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(id.slice(0, 80))} is not the id of an entry in the trash`,
    hint: "`mesh trash list` shows the ids.",
  });
}

export function encodeTrash({ entry, ...rest }: TrashRecord): Uint8Array {
  const record: StoredRecord = {
    v: 1,
    ...rest,
    entry: Buffer.from(encodeEntry(entry)).toString("base64url"),
  };
  return encodeJson(record);
}

export function decodeTrash(value: Uint8Array): TrashRecord {
  const { path, deletedAtMs, deletedBy, entry } = decodeJson<StoredRecord>(value);
  return { path, deletedAtMs, deletedBy, entry: decodeEntry(Buffer.from(entry, "base64url")) };
}

function when(timeMs: number): string {
  return Math.max(0, Math.floor(timeMs)).toString(16).padStart(WHEN_DIGITS, "0");
}
