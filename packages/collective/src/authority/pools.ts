/**
 * The pools of this member: which of its machines run models together. Each pool is one record, the
 * roster itself, signed with the CA's key in the transaction that decides it, so that every node
 * can check it without asking. Versions only rise, also when the records went back to a backup:
 * see `adopt`.
 *
 * Who is let in: `pool-admission.ts`. Pairing codes: `pool-codes.ts`.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import {
  POOL_REMOVED_MAX,
  type PoolRoster,
  type PoolRosterContent,
  type PoolRosterMember,
  type Principal,
  parsePoolName,
  poolIdOf,
  poolRootOf,
  signPoolRoster,
  verifyPoolRoster,
} from "@hearthmesh/identity";
import type { AuditAction } from "./audit.js";
import { POOL_CODE_PREFIX, POOL_PREFIX, poolKey } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { type Decision, put, unchanged, type Versionable } from "./ledger.js";
import { type AdmissionRequest, type Admitted, admit, admitByCode } from "./pool-admission.js";
import { makePoolCode, type PoolCodeRecord, type PoolCodeRequest } from "./pool-codes.js";
import { requirePoolOperator } from "./pool-operator.js";

export interface PoolCreation {
  readonly name: string;
  readonly networkId: string;
  /** The machine that makes it, a coordinator of this member. */
  readonly admin: { readonly nodeId: NodeId; readonly name: string };
}

export class Pools {
  readonly #context: AuthorityContext;
  /** As text; every pool of this member has it. */
  readonly root: string;

  constructor(context: AuthorityContext) {
    this.#context = context;
    this.root = poolRootOf(context.ca.certificatePem);
  }

  /** The oldest first. */
  list(): PoolRoster[] {
    const all = this.#context.records.all<PoolRoster>(POOL_PREFIX);
    const order = (a: PoolRoster, b: PoolRoster) => (a.poolId < b.poolId ? -1 : 1);
    return all.sort((a, b) => a.createdAtMs - b.createdAtMs || order(a, b));
  }

  /** By id or name. `MESH_POOL_UNKNOWN`. */
  find(idOrName: string): PoolRoster {
    const all = this.list();
    const found = all.find(({ poolId }) => poolId === idOrName);
    const pool = found ?? all.find(({ name }) => name === idOrName);
    if (pool === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
    return pool;
  }

  /** Told at once of every roster that changed, by whichever coordinator. */
  onChange(listener: (roster: PoolRoster) => void): () => void {
    return this.#context.records.onChange(POOL_PREFIX, (_key, after) => {
      if (after !== undefined) listener(after as PoolRoster);
    });
  }

  /** Operators only. `MESH_POOL_EXISTS`, `MESH_LIMIT`, `MESH_BAD_REQUEST`. */
  create(by: Principal, { name, networkId, admin }: PoolCreation): Promise<PoolRoster> {
    requirePoolOperator(by);
    const poolId = poolIdOf(this.root, parsePoolName(name));
    parsePoolName(networkId, "network id");
    return this.#change(by, "pool.create", poolId, ({ record }) => {
      if (record !== undefined) {
        throw new MeshError("MESH_POOL_EXISTS", { message: `there is a pool ${name} already` });
      }
      if (this.list().length >= limits.POOLS_MAX) {
        throw new MeshError("MESH_LIMIT", {
          message: `a member has at most ${limits.POOLS_MAX} pools`,
        });
      }
      const createdAtMs = this.#context.clock.nowMs();
      const members = [{ ...admin, role: "admin" as const, sequence: 1 }];
      return { poolId, name, networkId, version: 1, createdAtMs, members, removed: [] };
    });
  }

  /**
   * A machine that the operator approved, or that is of this member already. It gets a certificate
   * for its key in the transaction that writes it into the roster. `MESH_LIMIT`,
   * `MESH_CERT_REVOKED`, `MESH_CERT_INVALID`.
   */
  admit(by: Principal, request: AdmissionRequest): Promise<Admitted> {
    requirePoolOperator(by);
    return admit(this.#context, request, by.spiffeId);
  }

  /** With a pairing code instead of an operator. `MESH_PAIRING_INVALID` and those of `admit`. */
  admitByCode(request: AdmissionRequest & { code: PoolCodeProof }): Promise<Admitted> {
    return admitByCode(this.#context, this.root, request);
  }

  /** Operators only. `MESH_LIMIT`, `MESH_BAD_REQUEST`. */
  makeCode(by: Principal, request: PoolCodeRequest): Promise<{ text: string; notAfterMs: number }> {
    requirePoolOperator(by);
    this.find(request.poolId);
    return makePoolCode(this.#context, by, request);
  }

  /** Codes that may still let somebody in. */
  openCodes(): number {
    const nowMs = this.#context.clock.nowMs();
    const all = this.#context.records.all<PoolCodeRecord>(POOL_CODE_PREFIX);
    return all.filter(({ notAfterMs }) => nowMs <= notAfterMs).length;
  }

  /**
   * Operators only: by name or node id. The admin stays, for the pool hangs on it.
   * `MESH_NOT_FOUND`, `MESH_BAD_REQUEST`.
   */
  async remove(by: Principal, poolId: string, member: string): Promise<PoolRosterMember> {
    requirePoolOperator(by);
    const isMeant = (one: PoolRosterMember) => one.nodeId === member || one.name === member;
    const gone = this.find(poolId).members.find(isMeant);
    if (gone === undefined) {
      throw new MeshError("MESH_NOT_FOUND", {
        message: "the pool has no such member",
        hint: "`mesh pool list` shows its members.",
      });
    }
    if (gone.role === "admin") {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `${gone.name} is the admin of the pool and cannot be taken out of it`,
      });
    }
    await this.#change(by, "pool.remove-member", poolId, ({ record }) =>
      record === undefined ? undefined : without(record, gone.nodeId),
    );
    return gone;
  }

  /**
   * A roster with a higher version than the record, which a member has kept: the records went back
   * to a backup. What this root key signed then still holds. False when it is not newer.
   */
  async adopt(value: unknown): Promise<boolean> {
    const roster = verifyPoolRoster(value, this.root);
    const { ledger } = this.#context;
    const key = poolKey(roster.poolId);
    const taken = await ledger.change(async (): Promise<Decision<boolean>> => {
      const read = await ledger.read<PoolRoster>(key);
      if ((read.record?.version ?? 0) >= roster.version) return { result: false };
      const subject = `pool/${roster.poolId}`;
      const detail = { version: roster.version };
      const audit = { by: "pool/members", action: "pool.adopt" as const, subject, detail };
      const operations = [put(key, roster)];
      return { result: true, change: { compare: [unchanged(key, read)], operations, audit } };
    });
    return taken;
  }

  #change(
    by: Principal,
    action: AuditAction,
    poolId: string,
    next: (read: Versionable<PoolRoster>) => PoolRosterContent | undefined,
  ): Promise<PoolRoster> {
    const { ledger, ca } = this.#context;
    const key = poolKey(poolId);
    return ledger.change(async () => {
      const read = await ledger.read<PoolRoster>(key);
      const content = next(read);
      if (content === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
      const roster = signPoolRoster(content, ca.privateKeyPem);
      const { name, version } = roster;
      const members = roster.members.map((one) => one.name);
      const audit = { by: by.spiffeId, action, subject: `pool/${poolId}` };
      return {
        result: roster,
        change: {
          compare: [unchanged(key, read)],
          operations: [put(key, roster)],
          audit: { ...audit, detail: { name, version, members } },
        },
      };
    });
  }
}

export interface PoolCodeProof {
  readonly id: string;
  /** See `pairing-code.ts` of identity. */
  readonly proof: string;
}

/** Without the member, which is named among the removed so that it hears of it. */
function without(roster: PoolRoster, nodeId: NodeId): PoolRosterContent {
  const { v: _v, signature: _signature, ...content } = roster;
  const removed = [...content.removed.filter((one) => one !== nodeId), nodeId];
  return {
    ...content,
    version: content.version + 1,
    members: content.members.filter((one) => one.nodeId !== nodeId),
    removed: removed.slice(-POOL_REMOVED_MAX),
  };
}
