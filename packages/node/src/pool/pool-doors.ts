/** The pools of a node as its HTTP doors see them. */
import type { Authority } from "@hearthmesh/collective";
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { PoolJoinOutcome, PoolService } from "@hearthmesh/gateway";
import type {
  PoolDecisionResponse,
  PoolJoinRequest,
  PoolPairResponse,
  PoolRemoveResponse,
  PoolRequestView,
  PoolView,
} from "@hearthmesh/gateway/contracts";
import type { PoolRoster, Principal } from "@hearthmesh/identity";
import { JOIN_REQUEST_MS, type PoolDirectory } from "@hearthmesh/pool/membership";
import type { Tools } from "../tools.js";
import type { JoinDesk } from "./join-desk.js";
import { poolContract } from "./pool-views.js";
import { NETWORK_ID_DEFAULT, readPreparation } from "./preparation.js";

/** What a coordinator has besides. */
export interface PoolAdmin {
  readonly authority: Authority;
  readonly desk: JoinDesk;
}

export interface PoolDoorsOptions extends Tools {
  readonly home: string;
  readonly self: { readonly nodeId: NodeId; readonly name: string };
  readonly pools: PoolDirectory;
  readonly admin: PoolAdmin | undefined;
}

export class PoolDoors implements PoolService {
  readonly #options: PoolDoorsOptions;

  constructor(options: PoolDoorsOptions) {
    this.#options = options;
  }

  list(): PoolView[] {
    return this.#options.pools.pools().map(poolContract);
  }

  get(idOrName: string): PoolView {
    return poolContract(this.#options.pools.pool(idOrName));
  }

  async create(by: Principal, request: { name: string; networkId?: string }): Promise<PoolView> {
    const { authority } = this.#admin();
    const { home, self, pools } = this.#options;
    const prepared = (await readPreparation(home))?.networkId;
    const networkId = request.networkId ?? prepared ?? NETWORK_ID_DEFAULT;
    const admin = { nodeId: self.nodeId, name: self.name };
    const made = await authority.pools.create(by, { name: request.name, networkId, admin });
    return poolContract(pools.pool(made.poolId));
  }

  requests(pool: string): PoolRequestView[] {
    const { desk } = this.#admin();
    const { clock } = this.#options;
    const offsetMs = clock.nowMs() - clock.monotonicMs();
    const time = (monotonicMs: number) => new Date(monotonicMs + offsetMs).toISOString();
    return desk.waiting(this.#find(pool).poolId).map((request) => ({
      nodeId: request.nodeId,
      name: request.name,
      words: request.words,
      address: request.address,
      since: time(request.sinceMs),
      expires: time(request.sinceMs + JOIN_REQUEST_MS),
    }));
  }

  async approve(by: Principal, pool: string, request: string): Promise<PoolDecisionResponse> {
    return this.#admin().desk.approve(by, this.#find(pool).poolId, request);
  }

  async refuse(by: Principal, pool: string, request: string): Promise<PoolDecisionResponse> {
    return this.#admin().desk.refuse(by, this.#find(pool).poolId, request);
  }

  async pair(
    by: Principal,
    pool: string,
    { validityMs, uses }: { validityMs: number; uses: number },
  ): Promise<PoolPairResponse> {
    const { pools } = this.#admin().authority;
    const { poolId } = this.#find(pool);
    const { text, notAfterMs } = await pools.makeCode(by, { poolId, validityMs, uses });
    return { code: text, notAfter: new Date(notAfterMs).toISOString(), uses };
  }

  async remove(by: Principal, pool: string, member: string): Promise<PoolRemoveResponse> {
    const { authority, desk } = this.#admin();
    const { poolId } = this.#find(pool);
    const { nodeId, name } = await authority.pools.remove(by, poolId, member);
    desk.forget(poolId, nodeId);
    return { nodeId, name };
  }

  async join(
    request: PoolJoinRequest,
    address: string,
    signal: AbortSignal,
  ): Promise<PoolJoinOutcome> {
    return this.#admin().desk.join(request, address, signal);
  }

  #admin(): PoolAdmin {
    const { admin } = this.#options;
    if (admin !== undefined) return admin;
    throw new MeshError("MESH_POOL_NOT_ADMIN");
  }

  #find(idOrName: string): PoolRoster {
    return this.#admin().authority.pools.find(idOrName);
  }
}
