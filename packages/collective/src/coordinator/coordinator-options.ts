/** What a coordinator is made from and what it tells about itself. */
import type { Clock, Logger, MemberId, NodeId, Random } from "@hearthmesh/core";
import type { NodeRole, Principal } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import type { CoordinatorContact } from "../authority/coordinators.js";
import type { CopiesOptions, CopiesStatus } from "../copies/copies.js";
import type { AccessPolicy } from "./access.js";
import type { QuotaTerms } from "./quota-ledger.js";
import type { Totals } from "./usage.js";
import type { ReplicationState } from "./workers/replication-tally.js";
import type { WorkerInspection } from "./workers/worker.js";
import type { WorkerDefinition } from "./workers/worker-definition.js";

export interface CoordinatorOptions {
  /** The coordinator is the only writer of its rows; see `keys.ts`. */
  readonly store: Store;
  readonly access: AccessPolicy;
  /** Signs tickets with the coordinator's key. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** The key that checks them: SPKI, DER. */
  readonly publicKeyDer: Uint8Array;
  readonly nodeId: NodeId;
  readonly memberId: MemberId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Grows with every new leader: nodes refuse orders and tickets of an older one. */
  readonly epoch: number;
  /**
   * Throws `MESH_NOT_LEADER` when this coordinator may not act any more; asked before every
   * request. Default: it always may.
   */
  readonly requireLeading?: () => void;
  /**
   * The records are older than what a node remembers, which is up to this epoch: whoever leads has
   * to begin anew with a higher one. Until then nothing is deleted.
   */
  readonly onRolledBack?: ((epoch: number) => void) | undefined;
  /**
   * Revision of the store before this process wrote to it, when nobody else may: by it records that
   * went back are told from those of an ordinary restart.
   */
  readonly openedRevision?: number | undefined;
  /** At least 32 bytes, the same after a restart; receipt keys are derived from it. */
  readonly coordinatorSecret: Uint8Array;
  /** Where every coordinator is, for nodes that may need another one. */
  readonly coordinators?: () => readonly CoordinatorContact[];
  /** Copies of each chunk. Default 3. */
  readonly replicas?: number;
  /** Copies in distinct zones before a write is acknowledged. Default 2. */
  readonly acks?: number;
  /** New storage nodes become part of the layout by themselves; default true. Else it is staged. */
  readonly autoJoin?: boolean;
  /** Roles that a node was enrolled with; without it a node has the roles that it names. */
  readonly rolesOf?: (principal: Principal) => readonly NodeRole[];
  /** How long what was removed can be had back. Default 0: it cannot. */
  readonly trashRetentionMs?: number;
  /**
   * A machine of this member that acts for others and judges them itself: its tickets are not taken
   * back with the rights of those. Without it there is none.
   */
  readonly isGateway?: (nodeId: NodeId) => boolean;
  readonly intervals?: Partial<CoordinatorIntervals>;
  /** What peers may keep here. Without it peers have no bound but their grants. */
  readonly quotas?: QuotaTerms;
  /** Copies of this home's files at friends. */
  readonly copies?: CopiesOptions;
  /** More upkeep for the leader: it is scheduled, throttled and shown like its own. */
  readonly extraWorkers?: () => readonly WorkerDefinition[];
}

/** Times of the background work, in milliseconds. */
export interface CoordinatorIntervals {
  /** Between two reports of a node. */
  readonly reportMs: number;
  /** Between two full walks. Changes of nodes and layout start one soon. */
  readonly repairMs: number;
  /** From a change to the walk that it starts: several changes make one walk. */
  readonly settleMs: number;
  /** Between two looks at the repair queue, and to the first look after it grew. */
  readonly queueMs: number;
  /** Between two runs of the garbage collector. */
  readonly garbageMs: number;
  /** How long what nobody refers to is kept. */
  readonly garbageGraceMs: number;
  /** Between two looks for uploads that were left alone. */
  readonly uploadsMs: number;
  /** Between two checks of the rows against each other and the chunks. */
  readonly fsckMs: number;
  /** Between two looks at how the nodes verify their chunks. */
  readonly scrubMs: number;
  /** Between two looks for what has been in the trash for its whole time. */
  readonly trashMs: number;
  /** A node that is away for longer is replaced by others until it comes back. */
  readonly nodeLostMs: number;
  /** Rest between two pages of a walk. */
  readonly walkPauseMs: number;
}

export const DEFAULT_INTERVALS: CoordinatorIntervals = {
  reportMs: 5_000,
  repairMs: 600_000,
  settleMs: 1_000,
  queueMs: 5_000,
  garbageMs: 60_000,
  garbageGraceMs: 3_600_000,
  uploadsMs: 60_000,
  fsckMs: 604_800_000,
  scrubMs: 30_000,
  trashMs: 600_000,
  nodeLostMs: 900_000,
  walkPauseMs: 2,
};

export interface CoordinatorStatus {
  readonly memberId: MemberId;
  readonly epoch: number;
  readonly layoutVersion: number;
  readonly replicas: number;
  /** Copies that a write waits for now; fewer than configured when there are fewer nodes. */
  readonly acksNeeded: number;
  /** Distinct zones with a connected storage node. */
  readonly zonesAvailable: number;
  readonly nodes: { readonly total: number; readonly online: number };
  /** Undefined until the first walk has ended: nothing is known before. */
  readonly replication: ReplicationState | undefined;
  readonly repairQueue: number;
  readonly uploadsOpen: number;
  /** Undefined until the files have been counted. */
  readonly totals: Totals | undefined;
  /** Undefined where no copies are kept at friends. */
  readonly copies: CopiesStatus | undefined;
  readonly workers: readonly WorkerInspection[];
}
