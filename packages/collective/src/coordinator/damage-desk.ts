/**
 * `file.damaged`: whoever reads files, and nodes that copy chunks, say which copies came back
 * damaged. A word alone counts for nothing: the copy waits here until the worker `damage` has read
 * it itself (`workers/damage-check.ts`).
 *
 * Bounds: a caller must show the ticket by which it could read the chunk there, so it names no
 * chunk that it may not read; `REPORTS_PER_MINUTE` of one caller; `WAITING_MAX` copies wait, each
 * once. Errors: `MESH_TICKET_INVALID`, `MESH_EPOCH_OLD`, `MESH_LIMIT`, `MESH_BAD_REQUEST`.
 */
import { type Clock, MeshError, parseChunkId, parseNodeId } from "@hearthmesh/core";
import { EnrolmentLimiter } from "../authority/enrolment-limiter.js";
import { DAMAGED_CHUNKS_PER_REPORT_MAX, type DamagedCopy } from "../protocol.js";
import { TicketVerifier } from "../storage/tickets.js";
import type { SignedTicket } from "../types.js";
import type { Call, MethodTable } from "./method-table.js";

const REPORTS_PER_MINUTE = 12;
const REPORTS_TOTAL_PER_MINUTE = 120;
const WAITING_MAX = 256;
/** A copy whose node could not be asked is tried again in so many runs. */
const TRIES_MAX = 5;
const CHUNK_ID_CHARS = 64;
const NODE_ID_CHARS_MAX = 128;

export interface DamageDeskOptions {
  /** The key that checks tickets: SPKI, DER. */
  readonly publicKeyDer: Uint8Array;
  readonly epoch: number;
  readonly clock: Clock;
  /** There is something to be looked at. */
  onWaiting(): void;
}

export interface Suspect extends DamagedCopy {
  readonly tries: number;
}

export class DamageDesk {
  readonly #options: DamageDeskOptions;
  readonly #verifier: TicketVerifier;
  readonly #waiting = new Map<string, Suspect>();
  readonly #limiter = new EnrolmentLimiter({
    perAddressPerMinute: REPORTS_PER_MINUTE,
    totalPerMinute: REPORTS_TOTAL_PER_MINUTE,
    what: "reports of damaged chunks",
  });

  constructor(options: DamageDeskOptions) {
    this.#options = options;
    this.#verifier = new TicketVerifier(options.publicKeyDer);
  }

  get length(): number {
    return this.#waiting.size;
  }

  methods(): MethodTable {
    return {
      "file.damaged": {
        policy: "enrolled",
        serve: async (call) => ({ header: { taken: this.#report(call) } }),
      },
    };
  }

  /** False when it waits already, or when too many do. */
  suspect({ id, nodeId }: DamagedCopy): boolean {
    return this.#put({ id, nodeId, tries: 0 });
  }

  /** The one that has waited longest. */
  next(): Suspect | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const [key, suspect] = first;
    this.#waiting.delete(key);
    return suspect;
  }

  /** Its node could not be asked. */
  putBack(suspect: Suspect): void {
    const tries = suspect.tries + 1;
    if (tries < TRIES_MAX) this.#put({ ...suspect, tries });
  }

  #report({ holder, fields }: Call): number {
    const { clock, epoch } = this.#options;
    this.#limiter.admit(holder, clock.monotonicMs());
    const nodeId = parseNodeId(fields.text("nodeId", NODE_ID_CHARS_MAX));
    const ids = fields
      .texts("ids", DAMAGED_CHUNKS_PER_REPORT_MAX, CHUNK_ID_CHARS)
      .map((id) => parseChunkId(id));
    const ticket = fields.raw("ticket") as SignedTicket;
    const context = { nowMs: clock.nowMs(), epoch, holder, node: nodeId };
    const { chunkIds } = this.#verifier.verify(ticket, context);
    if (!ids.every((id) => chunkIds.has(id))) {
      throw new MeshError("MESH_TICKET_INVALID", {
        message: "the ticket does not name this chunk",
      });
    }
    return ids.filter((id) => this.suspect({ id, nodeId })).length;
  }

  #put(suspect: Suspect): boolean {
    const key = `${suspect.nodeId} ${suspect.id}`;
    if (this.#waiting.has(key) || this.#waiting.size >= WAITING_MAX) return false;
    this.#waiting.set(key, suspect);
    this.#options.onWaiting();
    return true;
  }
}
