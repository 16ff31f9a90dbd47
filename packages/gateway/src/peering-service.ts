/** What the doors need to speak to other members. The node hands it in. */
import type { Actor, PeerRecord } from "@hearthmesh/collective";

/** What came of the last exchange of bundles with a peer. */
export interface PeerExchange {
  readonly state: "ok" | "unreachable" | "refused" | "unknown";
  /** Why it is not ok. */
  readonly reason?: string;
  /** Of the last one that was ok. */
  readonly lastOkMs?: number;
}

export interface PeeringService {
  /** Takes a code of another member. Errors of `PeerBook.accept`, `MESH_UNREACHABLE`, ... */
  accept(
    by: Actor,
    request: { code: string; alias: string | undefined; signal: AbortSignal },
  ): Promise<PeerRecord>;
  /** Exchanges bundles with a peer now; the answer is what is known of it then. */
  refresh(peer: PeerRecord): Promise<PeerRecord>;
  /** Removes a peer and tells it when it can be reached at once. */
  remove(by: Actor, name: string): Promise<{ peer: PeerRecord; told: boolean }>;
  exchangeWith(peer: PeerRecord): PeerExchange;
  /** The peer itself has just exchanged bundles with this member. */
  heardFrom(peer: PeerRecord): void;
}
