/** What one SQLite transaction is about to change, in memory as well; thrown away when it fails. */

/** The store's numbers after a commit. */
export interface StoreState {
  revision: number;
  /** History up to here can no longer be read. */
  compactedRevision: number;
  /** Changes up to here have been tidied: what they replaced is gone from the file. */
  cleanedId: number;
  /** Bytes of keys and values of the changes after `cleanedId`. */
  historyBytes: number;
  lastLeaseId: number;
  openLeases: number;
  /** Live keys; not known until somebody asked, because counting reads them all. */
  keys: number | undefined;
}

export class WriteBatch {
  readonly state: StoreState;
  /** Statements that wrote. A job that fails before its first one fails alone. */
  writes = 0;
  /** Leases that an earlier transaction of this batch has ended. */
  readonly endedLeases = new Set<number>();
  /** For the watchers, in order. */
  readonly changes: { readonly revision: number; readonly keys: readonly string[] }[] = [];
  /** Effects outside the database, such as starting a lease's time. */
  readonly afterCommit: (() => void)[] = [];

  constructor(committed: StoreState) {
    this.state = { ...committed };
  }
}
