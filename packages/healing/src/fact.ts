/** What a monitor saw: the only thing that the rest of the healer believes. */

/** What a fact, a symptom or a remedy is about. */
export interface Subject {
  readonly type: SubjectType;
  /** Unique among its type, such as a node id or the name of a process. */
  readonly id: string;
  /** For people. */
  readonly name: string;
}

export type SubjectType =
  | "node"
  | "hub"
  | "route"
  | "process"
  | "service"
  | "store"
  | "replicas"
  | "layout"
  | "disk"
  | "memory"
  | "event-loop"
  | "certificate"
  | "clock"
  | "pool"
  | "coordinator"
  | "canary"
  | "mesh";

/**
 * `unknown` is an answer of its own: it neither opens a symptom nor ends one, and is shown as
 * unknown.
 */
export type Verdict = "well" | "ill" | "unknown";

export interface Fact {
  /** Which symptom it speaks for or against. */
  readonly symptom: SymptomKind;
  readonly subject: Subject;
  readonly verdict: Verdict;
  /** One sentence with the measured value, its unit and its mark, for an incident. */
  readonly evidence: string;
  /** Numbers that a remedy or the page needs, such as `usedRatio`. */
  readonly values?: Readonly<Record<string, number | string | boolean>>;
  /**
   * How long it has to hold before it is a symptom, and must be gone before it is none. The
   * catalogue's when absent.
   */
  readonly holdMs?: number;
}

/** Looks at one thing. Cheap enough for once a second, or it remembers and says so. */
export interface Monitor {
  readonly name: string;
  /**
   * All that it knows now. A subject that it told of before and leaves out is forgotten: nobody
   * speaks of it any longer. Must not throw for what it cannot see (a fact `unknown`); when it does
   * throw, or takes longer than `LOOK_MS_MAX`, all its subjects become unknown.
   */
  look(signal: AbortSignal): Promise<readonly Fact[]>;
  /** Calls `wake` when it is worth to look before the next second; returns how to end that. */
  watch?(wake: () => void): () => void;
}

export type SymptomKind =
  | "node-left"
  | "peer-unreachable"
  | "peer-relayed"
  | "hub-lost"
  | "route-missing"
  | "partition"
  | "process-down"
  | "service-failing"
  | "replicas-missing"
  | "layout-unbalanced"
  | "disk-filling"
  | "disk-full"
  | "node-corrupts"
  | "memory-high"
  | "event-loop-lag"
  | "load-high"
  | "certificate-expiring"
  | "clock-skew"
  | "store-failing"
  | "store-member-lost"
  | "leader-struggling"
  | "lead-changed"
  | "pool-member-lost"
  | "canary-failing";
