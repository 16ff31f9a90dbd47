/**
 * Holds peers to what was offered to them: the bytes of all files whose owners are of a peer's
 * trust domain, the uploads that are under way included. Checked before anything is written, so a
 * write that does not fit leaves nothing behind. Files and directories are bounded in their number
 * too: an empty one takes no bytes of the offer, but a row of the records here.
 *
 * Without an offer there is no bound here: then the grants of the peer's people are the only one,
 * and its coordinator may not bring copies at all. While the files are not counted yet, a peer with
 * an offer waits: nobody knows how much room it has.
 */
import { type FileId, formatBytes, limits, MeshError, type TrustDomain } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { domainOfOwner, type Usage } from "./usage.js";

export interface QuotaOffer {
  readonly trustDomain: TrustDomain;
  readonly bytes: number;
  readonly offeredAtMs: number;
  readonly withdrawnAtMs?: number;
}

/** Where the offers are: `Quotas` of the authority. */
export interface QuotaTerms {
  readonly ownDomain: TrustDomain;
  /** Who makes the directories for what peers keep here. */
  operator(): Principal;
  get(trustDomain: TrustDomain): QuotaOffer | undefined;
  list(): readonly QuotaOffer[];
}

interface OpenUpload {
  readonly domain: string;
  readonly bytes: number;
}

export class QuotaLedger {
  readonly terms: QuotaTerms | undefined;
  readonly #usage: Usage;
  readonly #uploads = new Map<FileId, OpenUpload>();
  /** Bytes that are being written now, by domain. */
  readonly #held = new Map<string, number>();

  constructor(usage: Usage, terms: QuotaTerms | undefined) {
    this.#usage = usage;
    this.terms = terms;
  }

  /** Throws `MESH_QUOTA` unless so many bytes more fit. */
  require(principal: Principal, bytes: number): void {
    const offer = this.#offerOf(principal);
    if (offer === undefined) return;
    const used = this.usedBytes(offer.trustDomain);
    if (used === undefined) {
      throw new MeshError("MESH_STORE_BUSY", {
        message: "what members keep here is being counted; try again in a moment",
      });
    }
    const isOver = offer.withdrawnAtMs !== undefined || used + bytes > offer.bytes;
    if (isOver) throw this.#refusal(offer, used, bytes);
    const entries = this.#usage.entriesOfDomain(offer.trustDomain) ?? 0;
    if (entries >= entriesAllowed(offer)) throw this.#tooMany(offer, entries);
  }

  /** The bytes count as used while the work goes on. */
  async holding<Result>(
    principal: Principal,
    bytes: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    this.require(principal, bytes);
    if (this.#offerOf(principal) === undefined) return work();
    const domain = principal.trustDomain;
    this.#hold(domain, bytes);
    try {
      return await work();
    } finally {
      this.#hold(domain, -bytes);
    }
  }

  /** A segment of an upload was written. */
  grew(fileId: FileId, owner: string, bytes: number): void {
    const domain = domainOfOwner(owner);
    if (this.terms === undefined || domain === this.terms.ownDomain) return;
    const before = this.#uploads.get(fileId)?.bytes ?? 0;
    this.#uploads.set(fileId, { domain, bytes: before + bytes });
  }

  /** The upload was committed, and counts as a file, or it was given up. */
  ended(fileId: FileId): void {
    this.#uploads.delete(fileId);
  }

  /** What a domain has here, with what is under way; undefined until the files are counted. */
  usedBytes(domain: string): number | undefined {
    const total = this.#usage.ofDomain(domain);
    if (total === undefined) return undefined;
    const uploads = [...this.#uploads.values()].filter((one) => one.domain === domain);
    const open = uploads.reduce((sum, { bytes }) => sum + bytes, 0);
    return total.bytes + open + (this.#held.get(domain) ?? 0);
  }

  files(domain: string): number | undefined {
    return this.#usage.ofDomain(domain)?.files;
  }

  /**
   * Chunks that an upload may bring to the nodes at most; undefined without a bound. A client is up
   * to two segments ahead of what it has told, and is to learn of the quota when it tells it.
   */
  chunksAllowed(principal: Principal, fileId: FileId): number | undefined {
    const offer = this.#offerOf(principal);
    if (offer === undefined) return undefined;
    const used = this.usedBytes(offer.trustDomain) ?? 0;
    const room = Math.max(0, offer.bytes - used) + (this.#uploads.get(fileId)?.bytes ?? 0);
    return Math.ceil(room / limits.CHUNK_BYTES_MAX) + 2 * limits.MANIFEST_SEGMENT_CHUNKS_MAX;
  }

  #offerOf({ kind, trustDomain }: Principal): QuotaOffer | undefined {
    return kind === "foreign" ? this.terms?.get(trustDomain) : undefined;
  }

  #hold(domain: string, bytes: number): void {
    const held = (this.#held.get(domain) ?? 0) + bytes;
    if (held === 0) this.#held.delete(domain);
    else this.#held.set(domain, held);
  }

  #tooMany(offer: QuotaOffer, entries: number): MeshError {
    const { trustDomain } = offer;
    const giver = this.terms?.ownDomain ?? "";
    const entriesMax = entriesAllowed(offer);
    return new MeshError("MESH_QUOTA", {
      message:
        `${trustDomain} has ${entries} files and directories here, and what ${giver} offers ` +
        `it has room for ${entriesMax}`,
      details: { quotaOf: trustDomain, offeredBy: giver, entries, entriesMax },
    });
  }

  #refusal(offer: QuotaOffer, usedBytes: number, neededBytes: number): MeshError {
    const { trustDomain, bytes, withdrawnAtMs } = offer;
    const giver = this.terms?.ownDomain ?? "";
    const has = `${formatBytes(usedBytes)} of ${formatBytes(bytes)}`;
    const message =
      withdrawnAtMs === undefined
        ? `${trustDomain} has used ${has} that ${giver} offers it; ` +
          `${formatBytes(neededBytes)} more do not fit`
        : `${giver} has withdrawn its offer to ${trustDomain}, which uses ${has}`;
    return new MeshError("MESH_QUOTA", {
      message,
      details: {
        quotaOf: trustDomain,
        offeredBy: giver,
        usedBytes,
        quotaBytes: bytes,
        neededBytes,
      },
    });
  }
}

/** How many files and directories an offer has room for. */
function entriesAllowed({ bytes }: QuotaOffer): number {
  return Math.max(limits.QUOTA_ENTRIES_MIN, Math.floor(bytes / limits.QUOTA_ENTRY_BYTES));
}
