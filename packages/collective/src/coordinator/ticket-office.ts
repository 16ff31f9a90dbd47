/** Signs the tickets for chunk operations. */
import { type ChunkId, type Clock, type FileId, limits, type NodeId } from "@hearthmesh/core";
import { signTicket } from "../storage/tickets.js";
import type { SignedTicket, Ticket } from "../types.js";

export interface TicketOfficeOptions {
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  readonly epoch: number;
  readonly clock: Clock;
}

export interface IssuedTicket {
  readonly ticket: SignedTicket;
  readonly ticketNotAfterMs: number;
}

/** Who may do it, and where. */
export interface TicketScope {
  readonly holder: NodeId;
  readonly nodes: readonly NodeId[];
}

export class TicketOffice {
  readonly #options: TicketOfficeOptions;

  constructor(options: TicketOfficeOptions) {
    this.#options = options;
  }

  forWriting(scope: TicketScope, fileId: FileId, owner: string): IssuedTicket {
    return this.#issue({ operation: "write", ...scope, fileId, owner });
  }

  /** Reading exactly these chunks; `copy` for a node that repairs. */
  forReading(
    operation: "read" | "copy",
    scope: TicketScope,
    chunkIds: readonly ChunkId[],
  ): IssuedTicket {
    return this.#issue({ operation, ...scope, chunkIds });
  }

  #issue(terms: Omit<Ticket, "v" | "epoch" | "notAfterMs">): IssuedTicket {
    const { sign, epoch, clock } = this.#options;
    // A ticket is checked by another machine's clock; the clocks of a mesh agree within minutes.
    const notAfterMs = Math.floor(clock.nowMs()) + limits.TICKET_VALIDITY_MS;
    const ticket = signTicket({ v: 1, ...terms, epoch, notAfterMs }, sign);
    return { ticket, ticketNotAfterMs: notAfterMs };
  }
}
