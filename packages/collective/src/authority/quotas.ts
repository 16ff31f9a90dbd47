/**
 * How much each peer may keep here. An offer counts for everything of the peer's trust domain: the
 * sealed copies that its coordinator brings and the files that its people write. While an offer
 * stands, the peer's coordinator has `/.copies/<its domain>` for itself; one that was withdrawn
 * takes no new bytes, and what is there stays until the peer fetches or removes it.
 *
 * Without any offer a peer cannot bring copies, and the grants of its people are their only bound.
 *
 * An offer was made to the peer of its time. When another peer of that domain is accepted later, it
 * counts for nothing, as grants do: whoever calls itself by that domain now may be somebody else,
 * and must not have what the earlier one keeps here.
 */
import { limits, MeshError, parseTrustDomain, type TrustDomain } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { QUOTA_PREFIX } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { put, unchanged } from "./ledger.js";
import type { PeerBook } from "./peers.js";
import type { Versioned } from "./records.js";

export interface QuotaRecord extends Versioned {
  readonly trustDomain: TrustDomain;
  readonly bytes: number;
  readonly offeredAtMs: number;
  /** SPIFFE id. */
  readonly offeredBy: string;
  readonly withdrawnAtMs?: number;
}

export class Quotas {
  readonly #context: AuthorityContext;
  readonly #peers: Pick<PeerBook, "get">;

  constructor(context: AuthorityContext, peers: Pick<PeerBook, "get">) {
    this.#context = context;
    this.#peers = peers;
  }

  /** By trust domain. One to an earlier peer is shown as withdrawn when the present one came. */
  list(): QuotaRecord[] {
    const records = this.#context.records.all<QuotaRecord>(QUOTA_PREFIX);
    return records
      .sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1))
      .map((record) =>
        this.#isToEarlierPeer(record)
          ? { withdrawnAtMs: this.#peerSinceMs(record.trustDomain), ...record }
          : record,
      );
  }

  /** Also one that was withdrawn. */
  get(trustDomain: TrustDomain): QuotaRecord | undefined {
    const key = QUOTA_PREFIX + trustDomain;
    const record = this.#context.records.get<QuotaRecord>(QUOTA_PREFIX, key);
    return record === undefined || this.#isToEarlierPeer(record) ? undefined : record;
  }

  /** Operators only; a new offer replaces the one before. `MESH_BAD_REQUEST`, `MESH_LIMIT`. */
  async offer(by: Principal, trustDomain: TrustDomain, bytes: number): Promise<QuotaRecord> {
    requireOperator(by);
    if (!Number.isSafeInteger(bytes) || bytes < 1 || bytes > limits.QUOTA_BYTES_MAX) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `a quota has between 1 and ${limits.QUOTA_BYTES_MAX} bytes`,
      });
    }
    parseTrustDomain(trustDomain);
    if (trustDomain === this.#context.trustDomain) {
      throw new MeshError("MESH_BAD_REQUEST", { message: "a quota is for another member" });
    }
    const others = this.list().filter((one) => one.trustDomain !== trustDomain);
    if (others.length >= limits.PEERS_MAX) {
      throw new MeshError("MESH_LIMIT", { message: `there are ${limits.PEERS_MAX} offers` });
    }
    // Whatever the clock says, it is for the peer of now.
    const offeredAtMs = Math.max(this.#context.clock.nowMs(), this.#peerSinceMs(trustDomain));
    return this.#write(by, "quota.offer", trustDomain, () => ({
      v: 1,
      trustDomain,
      bytes,
      offeredAtMs,
      offeredBy: by.spiffeId,
    }));
  }

  /** Operators only. `MESH_NOT_FOUND` without an offer; one that was withdrawn stays so. */
  async withdraw(by: Principal, trustDomain: TrustDomain): Promise<QuotaRecord> {
    requireOperator(by);
    const withdrawnAtMs = this.#context.clock.nowMs();
    return this.#write(by, "quota.withdraw", trustDomain, (present) => {
      if (present === undefined) {
        throw new MeshError("MESH_NOT_FOUND", { message: `nothing was offered to ${trustDomain}` });
      }
      return { withdrawnAtMs, ...present };
    });
  }

  #isToEarlierPeer({ trustDomain, offeredAtMs }: QuotaRecord): boolean {
    return offeredAtMs < this.#peerSinceMs(trustDomain);
  }

  /** 0 for who is no peer any more: what it keeps is its own until somebody else comes. */
  #peerSinceMs(trustDomain: TrustDomain): number {
    return this.#peers.get(trustDomain)?.acceptedAtMs ?? 0;
  }

  #write(
    by: Principal,
    action: "quota.offer" | "quota.withdraw",
    trustDomain: TrustDomain,
    next: (present: QuotaRecord | undefined) => QuotaRecord,
  ): Promise<QuotaRecord> {
    const { ledger } = this.#context;
    const key = QUOTA_PREFIX + trustDomain;
    return ledger.change(async () => {
      const read = await ledger.read<QuotaRecord>(key);
      const record = next(read.record);
      return {
        result: record,
        change: {
          compare: [unchanged(key, read)],
          operations: [put(key, record)],
          audit: {
            by: by.spiffeId,
            action,
            subject: `member/${trustDomain}`,
            detail: { bytes: record.bytes },
          },
        },
      };
    });
  }
}

function requireOperator(by: Principal): void {
  if (by.kind === "coordinator") return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: `${by.name} may not change quotas`,
    hint: "Only the operator may.",
  });
}
