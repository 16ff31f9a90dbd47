/**
 * The right to store the chunks of one upload, kept fresh: a new ticket is asked for when half of
 * its life has passed since it came, by the client's own steady clock, so that clocks which
 * disagree do no harm.
 */
import { type Clock, limits, type NodeId } from "@hearthmesh/core";
import type { FileTicketResponse } from "../protocol.js";
import type { Layout, NodeInfo, SignedTicket } from "../types.js";

/** At most one new ticket in this time when nodes refuse the one at hand. */
const REFUSAL_PAUSE_MS = 2_000;

export class UploadTicket {
  readonly #renew: () => Promise<FileTicketResponse>;
  readonly #clock: Clock;
  #grant: FileTicketResponse;
  #sinceMs: number;
  #refused = false;
  #renewal: Promise<void> | undefined;
  #nodes: ReadonlyMap<NodeId, NodeInfo>;

  constructor(first: FileTicketResponse, renew: () => Promise<FileTicketResponse>, clock: Clock) {
    this.#renew = renew;
    this.#clock = clock;
    this.#grant = first;
    this.#sinceMs = clock.monotonicMs();
    this.#nodes = byId(first.nodes);
  }

  get text(): SignedTicket {
    return this.#grant.ticket;
  }

  get layout(): Layout {
    return this.#grant.layout;
  }

  get acksNeeded(): number {
    return this.#grant.acksNeeded;
  }

  node(nodeId: NodeId): NodeInfo | undefined {
    return this.#nodes.get(nodeId);
  }

  /** A node did not accept the ticket: the next `keepFresh` asks for another one. */
  refused(): void {
    this.#refused = true;
  }

  /** To be awaited before a chunk is begun. */
  async keepFresh(): Promise<void> {
    const ageMs = this.#clock.monotonicMs() - this.#sinceMs;
    const old = ageMs > limits.TICKET_VALIDITY_MS / 2;
    if (!old && !(this.#refused && ageMs > REFUSAL_PAUSE_MS)) return;
    this.#renewal ??= this.#fetch().finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  async #fetch(): Promise<void> {
    this.#grant = await this.#renew();
    this.#nodes = byId(this.#grant.nodes);
    this.#sinceMs = this.#clock.monotonicMs();
    this.#refused = false;
  }
}

function byId(nodes: readonly NodeInfo[]): ReadonlyMap<NodeId, NodeInfo> {
  return new Map(nodes.map((node) => [node.nodeId, node]));
}
