/** The streams that a storage node serves now, by who opened them. */
import { limits, MeshError, resetWith } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { LinkStream, Peer } from "@hearthmesh/qwormhole";
import { EVERY_HOLDER, type TicketVoid } from "./ticket-voids.js";

export class OpenStreams {
  readonly #streams = new Set<LinkStream>();

  get size(): number {
    return this.#streams.size;
  }

  /** Call the answer when the stream has been served. */
  add(stream: LinkStream): () => void {
    this.#streams.add(stream);
    return () => this.#streams.delete(stream);
  }

  /**
   * Whether whoever opened this one may have so many. All people and machines of another member
   * count together: a few that stand still must not keep this member's own out.
   */
  hasRoomFor({ peer }: LinkStream): boolean {
    const domain = foreignDomainOf(peer);
    if (domain === undefined) return true;
    const alike = [...this.#streams].filter((one) => foreignDomainOf(one.peer) === domain);
    return alike.length <= limits.CHUNK_STREAMS_OF_MEMBER_MAX;
  }

  /**
   * Ends those of the holders whose tickets were taken back; whoever still may goes on with a new
   * ticket. Answers how many.
   */
  end(voids: readonly TicketVoid[]): number {
    const holders = new Set<string>(voids.map(({ holder }) => holder));
    const all = holders.has(EVERY_HOLDER);
    const ended = [...this.#streams].filter(({ peer }) => all || holders.has(peer.nodeId));
    const error = new MeshError("MESH_TICKET_INVALID", {
      message: "the ticket for this transfer was taken back: rights have changed",
    });
    for (const stream of ended) resetWith(stream, error);
    return ended.length;
  }
}

function foreignDomainOf({ identity }: Peer): string | undefined {
  const principal = identity as Partial<Principal> | null | undefined;
  return principal?.kind === "foreign" ? principal.trustDomain : undefined;
}
