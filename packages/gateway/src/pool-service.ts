/** What the doors need from the pools of the node. */
import type { EnrolResult } from "@hearthmesh/collective";
import type { PoolRoster, Principal } from "@hearthmesh/identity";
import type {
  PoolDecisionResponse,
  PoolJoinRequest,
  PoolPairResponse,
  PoolRemoveResponse,
  PoolRequestView,
  PoolView,
} from "./contracts/pools.js";

/** What became of a newcomer's question. */
export type PoolJoinOutcome = {
  readonly words: string;
  readonly poolName: string;
  readonly networkId: string;
} & (
  | { readonly state: "waiting" }
  | {
      readonly state: "joined";
      readonly enrolment: EnrolResult;
      readonly roster: PoolRoster;
    }
);

/**
 * Pools are named by id or name. Every method may throw `MESH_POOL_UNKNOWN`. All that change
 * something throw `MESH_POOL_NOT_ADMIN` on a node without a coordinator.
 */
export interface PoolService {
  list(): PoolView[];
  get(idOrName: string): PoolView;
  /** `MESH_POOL_EXISTS`, `MESH_LIMIT`. */
  create(by: Principal, request: { name: string; networkId?: string }): Promise<PoolView>;
  requests(pool: string): PoolRequestView[];
  /** `MESH_POOL_REQUEST_UNKNOWN`, `MESH_LIMIT`. */
  approve(by: Principal, pool: string, request: string): Promise<PoolDecisionResponse>;
  refuse(by: Principal, pool: string, request: string): Promise<PoolDecisionResponse>;
  pair(
    by: Principal,
    pool: string,
    options: { validityMs: number; uses: number },
  ): Promise<PoolPairResponse>;
  remove(by: Principal, pool: string, member: string): Promise<PoolRemoveResponse>;
  /**
   * From strangers, at the enrolment door. Waits up to `waitMs` for a decision.
   * `MESH_POOL_REFUSED`, `MESH_PAIRING_INVALID`, `MESH_LIMIT`, `MESH_CERT_INVALID`.
   */
  join(request: PoolJoinRequest, address: string, signal: AbortSignal): Promise<PoolJoinOutcome>;
}
