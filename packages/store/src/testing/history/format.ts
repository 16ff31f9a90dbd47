/**
 * The format of recorded histories, version 1: JSON lines, the header first, then one event a line
 * in order of time. `docs/histories.md` describes it field by field, and how the tools of others
 * read it.
 */
export const HISTORY_FORMAT = 1;
export const HISTORY_NAME = "hearthmesh-store-history";

export interface HistoryHeader {
  readonly history: typeof HISTORY_NAME;
  readonly format: typeof HISTORY_FORMAT;
  readonly engine: string;
  /** What was done to it; empty when nothing was. */
  readonly faults: readonly string[];
  readonly seed: number;
  /** Of the program that recorded it. */
  readonly version: string;
  /** The store's revision before the first operation; it held no key that the history names. */
  readonly startRevision: number;
}

export type EventType = "invoke" | "ok" | "fail" | "info";

export const CLIENT_OPERATIONS = [
  "get",
  "put",
  "delete",
  "cas",
  "txn",
  "range",
  "watch",
  "grant",
  "keepAlive",
  "revoke",
  "lock",
  "unlock",
  "fenced",
] as const;
export type ClientOperation = (typeof CLIENT_OPERATIONS)[number];

/** Exactly one of the three; `value: null` and a revision of 0 stand for a missing key. */
export interface HistoryCompare {
  readonly key: string;
  readonly value?: string | null;
  readonly modRevision?: number;
  readonly createRevision?: number;
}

export interface HistoryStep {
  readonly type: "put" | "delete" | "get";
  readonly key: string;
  /** Of a put. */
  readonly value?: string;
}

/** What one step of the branch that ran answered. */
export interface HistoryResult {
  /** Of a get; null when the key is missing. */
  readonly value?: string | null;
  readonly modRevision?: number;
  /** Of a delete: 0 or 1. */
  readonly deleted?: number;
}

export interface HistoryEntry {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
}

export interface HistoryChange {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly value?: string;
}

export interface HistoryBatch {
  readonly revision: number;
  /** When the watcher had it, in microseconds. */
  readonly time: number;
  readonly events: readonly HistoryChange[];
}

/** What a client did. Which fields an operation has, tells `docs/histories.md`. */
export interface ClientEvent {
  readonly process: number;
  readonly type: EventType;
  readonly op: ClientOperation;
  /** Microseconds of the machine's monotonic clock. */
  readonly time: number;
  readonly key?: string;
  readonly value?: string | null;
  readonly revision?: number;
  readonly modRevision?: number;
  readonly expect?: Omit<HistoryCompare, "key">;
  readonly succeeded?: boolean;
  readonly deleted?: number;
  readonly compare?: readonly HistoryCompare[];
  readonly success?: readonly HistoryStep[];
  readonly failure?: readonly HistoryStep[];
  readonly results?: readonly HistoryResult[];
  readonly prefix?: string;
  readonly entries?: readonly HistoryEntry[];
  readonly fromRevision?: number;
  readonly batches?: readonly HistoryBatch[];
  readonly lease?: number;
  readonly ttlMs?: number;
  readonly lock?: string;
  readonly token?: number;
  readonly guard?: boolean;
  readonly error?: string;
}

/** What was done to the store. */
export interface FaultEvent {
  readonly process: "nemesis";
  readonly type: "info";
  readonly op: string;
  readonly time: number;
  /** To whom, such as the name of a member. */
  readonly target?: string;
  /** In words, for people. */
  readonly words?: string;
}

export type HistoryEvent = ClientEvent | FaultEvent;

export interface History {
  readonly header: HistoryHeader;
  readonly events: readonly HistoryEvent[];
}

export function isFault(event: HistoryEvent): event is FaultEvent {
  return event.process === "nemesis";
}
