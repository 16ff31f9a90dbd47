/**
 * Signs the tickets for chunk operations. A ticket for somebody is made in the moment in which the
 * right is judged, ends with the right at the latest, and its reason is remembered, so that it can
 * be taken back.
 *
 * Tickets carry the time of a clock of their own: the wall clock, but never going back, and moved
 * on by every `afterAllTickets`. So "issued before" is never a matter of two equal times.
 */
import { type ChunkId, type Clock, type FileId, limits, type NodeId } from "@hearthmesh/core";
import { signTicket } from "../storage/tickets.js";
import type { SignedTicket, Ticket } from "../types.js";
import type { Access } from "./access.js";
import type { MeshPath } from "./paths.js";
import { TicketWatch } from "./ticket-watch.js";

export interface TicketOfficeOptions {
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  readonly epoch: number;
  readonly clock: Clock;
}

/** Whose right a ticket rests on. */
export interface TicketGround {
  readonly access: Access;
  readonly path: MeshPath;
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
  /** Why the tickets under way were given. */
  readonly watch: TicketWatch;
  #issuedAtMs = 0;

  constructor(options: TicketOfficeOptions) {
    this.#options = options;
    this.watch = new TicketWatch(options.clock);
  }

  /** The first `chunksMax` chunks of a file. `MESH_FORBIDDEN` when the right is gone by now. */
  forWriting(
    ground: TicketGround,
    scope: TicketScope,
    fileId: FileId,
    chunksMax: number | undefined,
  ): IssuedTicket {
    const untilMs = this.#judge(ground, scope, "write");
    const owner = ground.access.principal.spiffeId;
    const room = chunksMax === undefined ? {} : { firstChunk: 0, chunkCount: chunksMax };
    return this.#issue({ operation: "write", ...scope, fileId, owner, ...room }, untilMs);
  }

  /** For the coordinator itself, which puts a lost chunk of a file back on a node. */
  forRestoring(scope: TicketScope, fileId: FileId, owner: string): IssuedTicket {
    return this.#issue({ operation: "write", ...scope, fileId, owner });
  }

  /** Reading exactly these chunks. `MESH_FORBIDDEN` when the right is gone by now. */
  forReading(ground: TicketGround, scope: TicketScope, chunkIds: readonly ChunkId[]): IssuedTicket {
    const untilMs = this.#judge(ground, scope, "read");
    return this.#issue({ operation: "read", ...scope, chunkIds }, untilMs);
  }

  /** For a node that repairs: it acts for the coordinator. */
  forCopying(scope: TicketScope, chunkIds: readonly ChunkId[]): IssuedTicket {
    return this.#issue({ operation: "copy", ...scope, chunkIds });
  }

  /** A moment after all tickets so far; later ones are issued at it or after it. */
  afterAllTickets(): number {
    this.#issuedAtMs = this.#nowMs() + 1;
    return this.#issuedAtMs;
  }

  #judge({ access, path }: TicketGround, { holder }: TicketScope, right: "read" | "write") {
    const untilMs = access.requireUntil(path, right);
    const reason = { principal: access.principal, path: path.text, right };
    this.watch.given(holder, reason, limits.TICKET_VALIDITY_MS);
    return untilMs;
  }

  #nowMs(): number {
    return Math.max(this.#issuedAtMs, Math.floor(this.#options.clock.nowMs()));
  }

  #issue(
    terms: Omit<Ticket, "v" | "epoch" | "issuedAtMs" | "notAfterMs">,
    untilMs = Number.POSITIVE_INFINITY,
  ): IssuedTicket {
    const { sign, epoch, clock } = this.#options;
    this.#issuedAtMs = this.#nowMs();
    const issuedAtMs = this.#issuedAtMs;
    // A ticket is checked by another machine's clock; the clocks of a mesh agree within minutes.
    const lifeEndsMs = Math.floor(clock.nowMs()) + limits.TICKET_VALIDITY_MS;
    const notAfterMs = Math.min(lifeEndsMs, untilMs);
    const ticket = signTicket({ v: 1, ...terms, epoch, issuedAtMs, notAfterMs }, sign);
    return { ticket, ticketNotAfterMs: notAfterMs };
  }
}
