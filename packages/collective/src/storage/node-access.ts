/**
 * Who may call what at a storage node. Every method has one entry; a method without one is refused,
 * and so is everybody whom its entry does not name.
 */
import { MeshError, type NodeId, type TrustDomain } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { Peer } from "@hearthmesh/qwormhole";
import type { SignedTicket, Ticket } from "../types.js";
import { type TicketVoid, TicketVoids } from "./ticket-voids.js";
import { checkTicketTime, TicketVerifier, type VerifiedTicket } from "./tickets.js";

export interface MethodPolicy {
  readonly form: "request" | "stream";
  /**
   * Whoever holds a ticket of one of these operations, or the member's coordinator and nobody else.
   */
  readonly caller: "coordinator" | readonly Ticket["operation"][];
}

export const STORAGE_METHODS = {
  "chunk.put": { form: "stream", caller: ["write"] },
  "chunk.get": { form: "stream", caller: ["read", "copy"] },
  "chunk.store": { form: "request", caller: "coordinator" },
  "chunk.copy": { form: "request", caller: "coordinator" },
  "chunk.list": { form: "request", caller: "coordinator" },
  "chunk.heads": { form: "request", caller: "coordinator" },
  "chunk.void": { form: "request", caller: "coordinator" },
  "chunk.delete": { form: "request", caller: "coordinator" },
  "chunk.scrub": { form: "request", caller: "coordinator" },
} as const satisfies Record<string, MethodPolicy>;

export type StorageMethod = keyof typeof STORAGE_METHODS;

/** What the node got when it registered with its coordinator. */
export interface Registration {
  /** `RECEIPT_KEY_BYTES` bytes. */
  readonly receiptKey: Uint8Array;
  readonly epoch: number;
  /** SPKI, DER: the key that signs tickets. */
  readonly coordinatorPublicKey: Uint8Array;
  /** Tickets that were taken back while the node was away. */
  readonly voids?: readonly TicketVoid[];
}

export interface NodeAccessOptions {
  readonly nodeId: NodeId;
  /** Nobody of another trust domain is taken for the coordinator. */
  readonly trustDomain?: TrustDomain;
  /** The time at the coordinator: tickets end by its clock. */
  readonly nowMs: () => number;
}

/** The registration, the highest epoch seen, and the checks that rest on them. */
export class NodeAccess {
  readonly #options: NodeAccessOptions;
  #registration: (Registration & { readonly verifier: TicketVerifier }) | undefined;
  readonly #voids = new TicketVoids();
  #epoch = 0;

  constructor(options: NodeAccessOptions) {
    this.#options = options;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Tickets that were verified before stay good only when the coordinator's key is the same. */
  register(registration: Registration): void {
    const before = this.#registration;
    const isSameKey =
      before !== undefined &&
      Buffer.compare(before.coordinatorPublicKey, registration.coordinatorPublicKey) === 0;
    const verifier = isSameKey
      ? before.verifier
      : new TicketVerifier(registration.coordinatorPublicKey);
    this.#registration = { ...registration, verifier };
    this.#epoch = Math.max(this.#epoch, registration.epoch);
    this.#voids.add(registration.voids ?? [], registration.epoch);
  }

  /** Refuses these tickets from now on. `MESH_EPOCH_OLD`. */
  takeBack(voids: readonly TicketVoid[], epoch: number): void {
    this.checkEpoch(epoch);
    this.#voids.add(voids, epoch);
  }

  get receiptKey(): Uint8Array {
    return this.#registered().receiptKey;
  }

  /**
   * The method when this peer may call it in this form, as far as the method alone decides; a
   * ticket is checked by `checkTicket`. Throws `MESH_FORBIDDEN`.
   */
  checkMethod(method: string, form: MethodPolicy["form"], peer: Peer): StorageMethod {
    if (!Object.hasOwn(STORAGE_METHODS, method)) throw refused(method);
    const name = method as StorageMethod;
    const policy: MethodPolicy = STORAGE_METHODS[name];
    if (policy.form !== form) throw refused(method);
    if (policy.caller === "coordinator" && !this.#isCoordinator(peer)) throw refused(method);
    return name;
  }

  /**
   * The ticket when it lets this peer call the method here and now. Throws `MESH_TICKET_INVALID` or
   * `MESH_EPOCH_OLD`.
   */
  checkTicket(method: StorageMethod, signed: SignedTicket, peer: Peer): VerifiedTicket {
    const policy: MethodPolicy = STORAGE_METHODS[method];
    const verified = this.#registered().verifier.verify(signed, {
      nowMs: this.#options.nowMs(),
      epoch: this.#epoch,
      // The link has verified that the peer has the key whose hash this is.
      holder: peer.nodeId as NodeId,
      node: this.#options.nodeId,
    });
    this.checkTerm(verified);
    const { operation, epoch } = verified.ticket;
    if (policy.caller === "coordinator" || !policy.caller.includes(operation)) {
      throw new MeshError("MESH_TICKET_INVALID", {
        message: `a ticket to ${operation} does not allow ${method}`,
      });
    }
    this.#epoch = Math.max(this.#epoch, epoch);
    return verified;
  }

  /**
   * Whether a ticket that was checked is still good: not over, and not taken back. An epoch that
   * has begun since does not end what is under way. `MESH_TICKET_INVALID`.
   */
  checkTerm({ ticket }: VerifiedTicket): void {
    if (ticket.epoch >= this.#epoch && this.#voids.covers(ticket)) {
      throw new MeshError("MESH_TICKET_INVALID", {
        message: "the ticket for this chunk operation was taken back: rights have changed",
      });
    }
    checkTicketTime(ticket, this.#options.nowMs());
  }

  /** For orders that carry an epoch: an older one than was seen is `MESH_EPOCH_OLD`. */
  checkEpoch(epoch: unknown): void {
    if (typeof epoch !== "number" || !Number.isSafeInteger(epoch)) {
      throw new MeshError("MESH_BAD_REQUEST", { message: "the order has no epoch" });
    }
    if (epoch < this.#epoch) {
      throw new MeshError("MESH_EPOCH_OLD", {
        message: `the order is of epoch ${epoch}, and ${this.#epoch} has begun`,
      });
    }
    this.#epoch = epoch;
  }

  #isCoordinator(peer: Peer): boolean {
    const principal = peer.identity as Partial<Principal> | null | undefined;
    const { trustDomain } = this.#options;
    return (
      principal?.kind === "coordinator" &&
      (trustDomain === undefined || principal.trustDomain === trustDomain)
    );
  }

  #registered(): Registration & { readonly verifier: TicketVerifier } {
    if (this.#registration === undefined) {
      throw new MeshError("MESH_TICKET_INVALID", {
        message: "this node has not registered with its coordinator yet and can check no ticket",
        hint: "Try again in a few seconds; other nodes are asked in the meantime.",
      });
    }
    return this.#registration;
  }
}

function refused(method: string): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: `this storage node does not serve ${JSON.stringify(method.slice(0, 80))} to you`,
    hint: "Only the coordinator gives orders to storage nodes; others need a ticket of it.",
  });
}
