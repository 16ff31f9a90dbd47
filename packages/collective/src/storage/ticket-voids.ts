/**
 * Tickets that the coordinator took back before their end: those of a holder that were issued
 * before a moment of the coordinator's ticket clock, which never goes back. A node keeps this in
 * memory; a ticket is good only after a registration, and each registration tells all of it anew.
 */
import { limits, MeshError, type NodeId } from "@hearthmesh/core";
import type { Ticket } from "../types.js";

/** In place of a holder: everybody's, but for the copies that nodes make for each other. */
export const EVERY_HOLDER = "*";

export interface TicketVoid {
  readonly holder: NodeId | typeof EVERY_HOLDER;
  readonly issuedBeforeMs: number;
}

export class TicketVoids {
  readonly #byHolder = new Map<NodeId, number>();
  #allBeforeMs = Number.NEGATIVE_INFINITY;
  #epoch = 0;

  /** Of a coordinator's epoch: tickets of earlier ones are refused anyway, later ones are new. */
  add(voids: readonly TicketVoid[], epoch: number): void {
    if (epoch < this.#epoch) return;
    if (epoch > this.#epoch) this.#forget(epoch);
    for (const { holder, issuedBeforeMs } of voids) this.#addOne(holder, issuedBeforeMs);
  }

  covers({ holder, operation, epoch, issuedAtMs = 0 }: Ticket): boolean {
    if (epoch !== this.#epoch) return epoch < this.#epoch;
    if (operation !== "copy" && issuedAtMs < this.#allBeforeMs) return true;
    return issuedAtMs < (this.#byHolder.get(holder) ?? Number.NEGATIVE_INFINITY);
  }

  #addOne(holder: TicketVoid["holder"], issuedBeforeMs: number): void {
    const known = holder === EVERY_HOLDER ? undefined : this.#byHolder.get(holder);
    const isNew = holder !== EVERY_HOLDER && known === undefined;
    if (holder !== EVERY_HOLDER && (!isNew || this.#byHolder.size < limits.VOIDED_HOLDERS_MAX)) {
      this.#byHolder.set(holder, Math.max(known ?? Number.NEGATIVE_INFINITY, issuedBeforeMs));
      return;
    }
    // More than can be kept apart: all are refused, and who still may gets a new one.
    const all = [this.#allBeforeMs, issuedBeforeMs, ...(isNew ? this.#byHolder.values() : [])];
    this.#allBeforeMs = Math.max(...all);
    if (isNew) this.#byHolder.clear();
  }

  #forget(epoch: number): void {
    this.#epoch = epoch;
    this.#byHolder.clear();
    this.#allBeforeMs = Number.NEGATIVE_INFINITY;
  }
}

/** From a message. `MESH_BAD_REQUEST` when it is not of the form. */
export function readTicketVoids(value: unknown): readonly TicketVoid[] {
  const isOne = (one: unknown): one is TicketVoid => {
    const { holder, issuedBeforeMs } = (one ?? {}) as Partial<Record<keyof TicketVoid, unknown>>;
    return typeof holder === "string" && holder !== "" && Number.isSafeInteger(issuedBeforeMs);
  };
  const isList = Array.isArray(value) && value.length <= limits.VOIDED_HOLDERS_MAX + 1;
  if (isList && value.every(isOne)) return value;
  throw new MeshError("MESH_BAD_REQUEST", { message: "the tickets to refuse are not readable" });
}
