/**
 * Tickets: the coordinator's signed, short-lived word that somebody may put, get or copy certain
 * chunks at certain nodes. A storage node needs only the coordinator's public key to check one.
 *
 * Form: base64url of the canonical JSON, a dot, base64url of the signature. What is signed starts
 * with a name of its own, because the same key signs handshakes and lists too.
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { type ChunkId, canonicalJson, MeshError, type NodeId } from "@hearthmesh/core";
import type { SignedTicket, Ticket } from "../types.js";

const SIGNED_PREFIX = "hearthmesh-ticket-v1\n";
/** A read ticket names up to a segment's chunks at up to `NODES_MAX` nodes. */
const TICKET_TEXT_BYTES_MAX = 256 * 1024;
/** Verified tickets that a node remembers; each is a few kilobytes. */
const TICKETS_REMEMBERED_MAX = 256;

/** `sign` gives Ed25519, or ECDSA P-256 with SHA-256 in IEEE P1363 form, over the bytes. */
export function signTicket(ticket: Ticket, sign: (bytes: Uint8Array) => Uint8Array): SignedTicket {
  const json = canonicalJson(ticket);
  const signature = sign(Buffer.from(SIGNED_PREFIX + json, "utf8"));
  const body = Buffer.from(json, "utf8").toString("base64url");
  return `${body}.${Buffer.from(signature).toString("base64url")}`;
}

/** Who presents the ticket, where and when. */
export interface TicketContext {
  readonly nowMs: number;
  /** The highest epoch that the node has seen: an older ticket is `MESH_EPOCH_OLD`. */
  readonly epoch: number;
  /** The verified node id of the peer that presents it. */
  readonly holder: NodeId;
  /** The node that is asked. */
  readonly node: NodeId;
}

/** A ticket whose signature was verified, with its lists made ready for look-ups. */
export interface VerifiedTicket {
  readonly ticket: Ticket;
  readonly nodes: ReadonlySet<NodeId>;
  /** For `read` and `copy`. */
  readonly chunkIds: ReadonlySet<ChunkId>;
}

/**
 * Checks a ticket once. Throws `MESH_TICKET_INVALID` with the reason, or `MESH_EPOCH_OLD`.
 * A node that sees the same ticket often keeps a `TicketVerifier`.
 */
export function verifyTicket(
  signed: SignedTicket,
  context: TicketContext & { readonly publicKeyDer: Uint8Array },
): Ticket {
  return new TicketVerifier(context.publicKeyDer).verify(signed, context).ticket;
}

/**
 * Verifies tickets of one coordinator. Signature and form are checked once for each text and
 * remembered (the least recently used one is forgotten); time, epoch, holder and node every time.
 */
export class TicketVerifier {
  readonly #publicKey: KeyObject;
  readonly #remembered = new Map<SignedTicket, VerifiedTicket>();

  /** The coordinator's public key: SPKI, DER. */
  constructor(publicKeyDer: Uint8Array) {
    this.#publicKey = createPublicKey({
      key: Buffer.from(publicKeyDer),
      format: "der",
      type: "spki",
    });
  }

  /** Throws `MESH_TICKET_INVALID` with the reason, or `MESH_EPOCH_OLD`. */
  verify(signed: SignedTicket, context: TicketContext): VerifiedTicket {
    const verified = this.#remembered.get(signed) ?? this.#open(signed);
    this.#remembered.delete(signed);
    checkContext(verified, context);
    this.#remembered.set(signed, verified);
    if (this.#remembered.size > TICKETS_REMEMBERED_MAX) {
      const oldest = this.#remembered.keys().next();
      if (!oldest.done) this.#remembered.delete(oldest.value);
    }
    return verified;
  }

  #open(signed: unknown): VerifiedTicket {
    if (typeof signed !== "string" || signed.length > TICKET_TEXT_BYTES_MAX) {
      throw invalid("it is not a ticket");
    }
    const [body, signature, rest] = signed.split(".");
    if (body === undefined || signature === undefined || rest !== undefined) {
      throw invalid("it is not a ticket");
    }
    const json = Buffer.from(body, "base64url").toString("utf8");
    if (!this.#signatureHolds(json, Buffer.from(signature, "base64url"))) {
      throw invalid("the coordinator did not sign it");
    }
    const ticket = parseTicket(json);
    return { ticket, nodes: new Set(ticket.nodes), chunkIds: new Set(ticket.chunkIds ?? []) };
  }

  #signatureHolds(json: string, signature: Buffer): boolean {
    const bytes = Buffer.from(SIGNED_PREFIX + json, "utf8");
    const isEdwards = this.#publicKey.asymmetricKeyType === "ed25519";
    return verify(
      isEdwards ? null : "sha256",
      bytes,
      { key: this.#publicKey, dsaEncoding: "ieee-p1363" },
      signature,
    );
  }
}

function checkContext({ ticket, nodes }: VerifiedTicket, context: TicketContext): void {
  if (ticket.epoch < context.epoch) {
    throw new MeshError("MESH_EPOCH_OLD", {
      message: `the ticket is of epoch ${ticket.epoch}, and ${context.epoch} has begun`,
      hint: "Ask the coordinator for a new ticket.",
    });
  }
  checkTicketTime(ticket, context.nowMs);
  if (ticket.holder !== context.holder) throw invalid("it was given to somebody else");
  if (!nodes.has(context.node)) throw invalid("it is for other nodes");
}

/** `MESH_TICKET_INVALID` when the ticket is over. */
export function checkTicketTime({ notAfterMs }: Ticket, nowMs: number): void {
  if (nowMs <= notAfterMs) return;
  throw invalid(`it ended ${Math.ceil((nowMs - notAfterMs) / 1000)} s ago by this node's clock`);
}

/** The signature holds, so the coordinator wrote it; this guards against a newer version's form. */
function parseTicket(json: string): Ticket {
  let ticket: Partial<Ticket>;
  try {
    ticket = JSON.parse(json) as Partial<Ticket>;
  } catch {
    throw invalid("it is not readable");
  }
  const known =
    ticket.operation === "write" || ticket.operation === "read" || ticket.operation === "copy";
  if (ticket.v !== 1 || !known) throw invalid("it is of a version that this node does not know");
  const whole =
    typeof ticket.holder === "string" &&
    Array.isArray(ticket.nodes) &&
    Number.isSafeInteger(ticket.epoch) &&
    Number.isSafeInteger(ticket.notAfterMs) &&
    isIndex(ticket.issuedAtMs) &&
    (ticket.operation === "write" ? isWriteTicket(ticket) : Array.isArray(ticket.chunkIds));
  if (!whole) throw invalid("a field is missing");
  return ticket as Ticket;
}

function isWriteTicket(ticket: Partial<Ticket>): boolean {
  return (
    typeof ticket.fileId === "string" &&
    typeof ticket.owner === "string" &&
    isIndex(ticket.firstChunk) &&
    isIndex(ticket.chunkCount)
  );
}

/** Absent means that the ticket sets no bound. */
function isIndex(value: number | undefined): boolean {
  return value === undefined || (Number.isSafeInteger(value) && value >= 0);
}

function invalid(reason: string): MeshError {
  return new MeshError("MESH_TICKET_INVALID", {
    message: `the ticket for this chunk operation is not valid: ${reason}`,
  });
}
