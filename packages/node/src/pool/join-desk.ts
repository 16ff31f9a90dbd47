/**
 * Where newcomers ask to join a pool, and where the admin decides. Runs on a coordinator. Nothing
 * is signed before somebody approved, or a pairing code was proved; what waits is kept in memory
 * alone, bounded and for ten minutes.
 */
import type { Admitted, Authority } from "@hearthmesh/collective";
import { type Clock, type Logger, MeshError, type NodeId, parseNodeName } from "@hearthmesh/core";
import type { PoolJoinOutcome } from "@hearthmesh/gateway";
import type { PoolDecisionResponse, PoolJoinRequest } from "@hearthmesh/gateway/contracts";
import {
  checkCertificateRequest,
  type NodeRole,
  type PoolRoster,
  type Principal,
} from "@hearthmesh/identity";
import { JoinRequests, type KeptRequest, wordsOfNode } from "@hearthmesh/pool/membership";
import { ADMITTED_KEPT_MAX, JOIN_WAIT_MS_MAX, JOIN_WAITERS_MAX } from "./limits.js";

export interface JoinDeskOptions {
  readonly authority: Pick<Authority, "pools" | "isRevoked">;
  readonly clock: Clock;
  readonly log: Logger;
}

export class JoinDesk {
  readonly #options: JoinDeskOptions;
  readonly #requests = new Map<string, JoinRequests>();
  /** Answers in case one was lost, by pool and key; the oldest first. */
  readonly #admitted = new Map<string, Admitted>();
  /** Told when something was decided for a key. */
  readonly #waiters = new Set<(nodeId: NodeId) => void>();

  constructor(options: JoinDeskOptions) {
    this.#options = options;
  }

  /** See `PoolService.join`. */
  async join(
    request: PoolJoinRequest,
    address: string,
    signal: AbortSignal,
  ): Promise<PoolJoinOutcome> {
    const pool = this.#poolOf(request);
    const { nodeId } = await checkCertificateRequest(request.csrPem);
    const name = parseNodeName(request.name.trim().toLowerCase());
    const roles: readonly NodeRole[] = request.roles ?? [];
    const told = { words: wordsOfNode(nodeId), poolName: pool.name, networkId: pool.networkId };
    const before = this.#admittedOf(pool, nodeId);
    if (before !== undefined) return { state: "joined", ...told, ...before };
    const { pairing, csrPem } = request;
    if (pairing !== undefined) {
      const asked = { poolId: pool.poolId, csrPem, name, roles, code: pairing };
      const admitted = await this.#options.authority.pools.admitByCode(asked);
      this.#keep(pool.poolId, nodeId, admitted);
      return { state: "joined", ...told, ...admitted };
    }
    const requests = this.#requestsOf(pool.poolId);
    const isNew = requests.get(nodeId, this.#nowMs()) === undefined;
    requests.ask({ nodeId, name, roles, csrPem, address }, this.#nowMs());
    if (isNew) {
      const { log } = this.#options;
      log.info("a machine asks to join a pool", { nodeName: name, nodeId, reason: told.words });
    }
    await this.#decision(requests, nodeId, request.waitMs ?? 0, signal);
    const decided = requests.get(nodeId, this.#nowMs());
    if (decided?.state === "refused") throw new MeshError("MESH_POOL_REFUSED");
    const admitted = this.#admittedOf(pool, nodeId);
    return admitted === undefined
      ? { state: "waiting", ...told }
      : { state: "joined", ...told, ...admitted };
  }

  waiting(poolId: string): KeptRequest[] {
    return this.#requestsOf(poolId).waiting(this.#nowMs());
  }

  /** `MESH_POOL_REQUEST_UNKNOWN` and the errors of `Pools.admit`. */
  async approve(by: Principal, poolId: string, text: string): Promise<PoolDecisionResponse> {
    const requests = this.#requestsOf(poolId);
    const { nodeId, csrPem, name, roles, words } = requests.find(text, this.#nowMs());
    const { pools } = this.#options.authority;
    const admitted = await pools.admit(by, { poolId, csrPem, name, roles });
    this.#keep(poolId, nodeId, admitted);
    this.#decided(requests, nodeId, "approved");
    return { nodeId, name: admitted.enrolment.name, words };
  }

  async refuse(by: Principal, poolId: string, text: string): Promise<PoolDecisionResponse> {
    const requests = this.#requestsOf(poolId);
    const { nodeId, name, words } = requests.find(text, this.#nowMs());
    this.#options.log.info("a machine was refused", { nodeName: name, principal: by.spiffeId });
    this.#decided(requests, nodeId, "refused");
    return { nodeId, name, words };
  }

  /** The machine was taken out of the pool: it has to ask anew. */
  forget(poolId: string, nodeId: NodeId): void {
    this.#admitted.delete(`${poolId} ${nodeId}`);
    this.#requestsOf(poolId).forget(nodeId);
  }

  #poolOf({ poolId, networkId }: PoolJoinRequest): PoolRoster {
    const pool = this.#options.authority.pools.list().find((one) => one.poolId === poolId);
    if (pool === undefined) {
      throw new MeshError("MESH_POOL_UNKNOWN", { message: "this machine has no such pool" });
    }
    if (networkId === undefined || networkId === pool.networkId) return pool;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `the pool is of the network ${pool.networkId}, and this machine of ${networkId}`,
      hint: "Prepare it anew, in an empty MESH_HOME: `mesh init --network-id ...`.",
    });
  }

  /** What it got, while it is still true. */
  #admittedOf({ poolId }: PoolRoster, nodeId: NodeId): Admitted | undefined {
    const { authority } = this.#options;
    const roster = authority.pools.list().find((one) => one.poolId === poolId);
    const isIn = roster?.members.some((one) => one.nodeId === nodeId) === true;
    if (!isIn || authority.isRevoked(nodeId)) return undefined;
    return this.#admitted.get(`${poolId} ${nodeId}`);
  }

  #keep(poolId: string, nodeId: NodeId, admitted: Admitted): void {
    const key = `${poolId} ${nodeId}`;
    this.#admitted.delete(key);
    this.#admitted.set(key, admitted);
    const [oldest] = this.#admitted.keys();
    if (this.#admitted.size > ADMITTED_KEPT_MAX && oldest !== undefined) {
      this.#admitted.delete(oldest);
    }
  }

  #requestsOf(poolId: string): JoinRequests {
    const known = this.#requests.get(poolId) ?? new JoinRequests();
    this.#requests.set(poolId, known);
    return known;
  }

  #decided(requests: JoinRequests, nodeId: NodeId, state: "approved" | "refused"): void {
    requests.decide(nodeId, state);
    for (const waiter of this.#waiters) waiter(nodeId);
  }

  /** Resolves when there is one, when the time is over, or when the newcomer went away. */
  #decision(
    requests: JoinRequests,
    nodeId: NodeId,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const isOpen = requests.get(nodeId, this.#nowMs())?.state === "waiting";
    const isFull = this.#waiters.size >= JOIN_WAITERS_MAX;
    if (!isOpen || waitMs === 0 || isFull || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const waiter = (decided: NodeId) => {
        if (decided === nodeId) done();
      };
      const delayMs = Math.min(waitMs, JOIN_WAIT_MS_MAX);
      const timer = this.#options.clock.setTimeout(done, delayMs);
      signal.addEventListener("abort", done, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
