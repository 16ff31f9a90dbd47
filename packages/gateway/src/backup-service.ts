/** What the doors need from the node's snapshots at friends. */
import type { BackupResponse } from "./contracts/backup.js";

export interface BackupService {
  /** Counting the files reads every entry. */
  status(options: { coverage: boolean; signal: AbortSignal }): Promise<BackupResponse>;
  /** Writes a snapshot now; how it went with each friend is in the answer. */
  run(signal: AbortSignal): Promise<BackupResponse>;
}
