/** What is kept about the snapshots at friends: one row, `recovery/backup`. */
import { put, type Store } from "@hearthmesh/store";
import { decodeJson, encodeJson } from "../coordinator/records.js";

const BACKUP_KEY = "recovery/backup";

/** The newest snapshot that a friend has. */
export interface FriendBackup {
  /** Trust domain of the friend. */
  readonly member: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly writtenAtMs: number;
  readonly sealedBytes: number;
}

export interface BackupRecord {
  readonly v: 1;
  /** Of the newest snapshot that was begun. */
  readonly sequence: number;
  /** Revision of the store after the last run that brought a snapshot to every friend. */
  readonly coveredRevision: number;
  /** SHA-256 of the rows of the newest snapshot; see `rowsDigest`. */
  readonly rowsHash: string;
  readonly friends: readonly FriendBackup[];
}

export const NO_BACKUP: BackupRecord = {
  v: 1,
  sequence: 0,
  coveredRevision: 0,
  rowsHash: "",
  friends: [],
};

export async function readBackup(store: Store): Promise<BackupRecord> {
  const row = await store.get(BACKUP_KEY);
  return row === undefined ? NO_BACKUP : decodeJson<BackupRecord>(row.value);
}

/** Answers the store's revision after it. */
export async function writeBackup(store: Store, record: BackupRecord): Promise<number> {
  return (await store.transact({ success: [put(BACKUP_KEY, encodeJson(record))] })).revision;
}
