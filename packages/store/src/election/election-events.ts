/** What the election machine is told, and what it asks for. */

/** The leader key as it was read. */
export interface SeenLeader {
  readonly nodeId: string;
  /** Names one run of one process. */
  readonly session: string;
  readonly epoch: number;
  readonly modRevision: number;
  readonly leaseId: number;
  /** What the leader tells about itself. */
  readonly data: unknown;
}

export interface Instant {
  readonly monotonicMs: number;
  /** Time of day; only ever makes the machine more careful. */
  readonly wallMs: number;
}

/** What the store held at a revision. */
export interface Sight {
  readonly revision: number;
  readonly leader: SeenLeader | undefined;
}

export type StepDownReason = "not-renewed" | "lease-ended" | "replaced" | "resigned";

export type ElectionEvent =
  | { readonly type: "start" | "stop" | "tick" | "lookFailed" }
  | { readonly type: "seen"; readonly sight: Sight }
  | { readonly type: "won"; readonly attempt: number; readonly leader: SeenLeader }
  | { readonly type: "beaten"; readonly attempt: number; readonly sight: Sight }
  | { readonly type: "failed"; readonly attempt: number }
  | { readonly type: "renewed"; readonly renewal: number; readonly sight: Sight }
  | { readonly type: "renewalFailed"; readonly renewal: number; readonly leaseEnded: boolean }
  /** The membership says that the node is dead. */
  | { readonly type: "suspected"; readonly nodeId: string }
  /** Somebody else should lead: this one campaigns again only after `forMs`. */
  | { readonly type: "resign"; readonly forMs: number }
  /** A guarded write of the leadership with this revision was refused. */
  | { readonly type: "fenced"; readonly modRevision: number };

export type ElectionEffect =
  /** Grant a lease, then write the leader key; `replaces` is its revision now, 0 for none. */
  | { readonly type: "campaign"; readonly attempt: number; readonly replaces: number }
  /** Keep the lease of the attempt alive and read the leader key. */
  | { readonly type: "renew"; readonly attempt: number; readonly renewal: number }
  /** Revoke the lease of the attempt, also when it is granted only later. */
  | { readonly type: "release"; readonly attempt: number }
  /** Read the leader key. */
  | { readonly type: "look" }
  | { readonly type: "tookOver"; readonly epoch: number }
  | { readonly type: "steppedDown"; readonly epoch: number; readonly reason: StepDownReason };
