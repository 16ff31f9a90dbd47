/** One page of a manifest, with a read ticket that is kept fresh. */
import { type Clock, limits, MeshError, type NodeId } from "@hearthmesh/core";
import type { FileOpenResponse } from "../protocol.js";
import { Placement } from "../storage/placement.js";
import type { NodeInfo, SignedTicket } from "../types.js";

export class ReadPage {
  readonly #reopen: () => Promise<FileOpenResponse>;
  readonly #clock: Clock;
  #answer: FileOpenResponse;
  #atMs: number;
  #refused: SignedTicket | undefined;
  #renewal: Promise<void> | undefined;
  placement: Placement;
  nodes: ReadonlyMap<NodeId, NodeInfo>;

  constructor(answer: FileOpenResponse, reopen: () => Promise<FileOpenResponse>, clock: Clock) {
    this.#answer = answer;
    this.#reopen = reopen;
    this.#clock = clock;
    this.#atMs = clock.monotonicMs();
    this.placement = new Placement(answer.layout);
    this.nodes = new Map(answer.nodes.map((node) => [node.nodeId, node]));
  }

  /** A node did not accept this ticket; the next caller gets another one. */
  refused(ticket: SignedTicket): void {
    this.#refused = ticket;
  }

  /** A ticket with at least half of its life left, by the client's own steady clock. */
  async ticket(): Promise<SignedTicket> {
    const ageMs = this.#clock.monotonicMs() - this.#atMs;
    const old = ageMs > limits.TICKET_VALIDITY_MS / 2;
    if (old || this.#refused === this.#answer.ticket) {
      this.#renewal ??= this.#renew().finally(() => {
        this.#renewal = undefined;
      });
      await this.#renewal;
    }
    if (this.#answer.ticket === undefined) {
      throw new MeshError("MESH_PROTOCOL", { message: "the coordinator gave no read ticket" });
    }
    return this.#answer.ticket;
  }

  async #renew(): Promise<void> {
    this.#answer = await this.#reopen();
    this.#atMs = this.#clock.monotonicMs();
    this.placement = new Placement(this.#answer.layout);
    this.nodes = new Map(this.#answer.nodes.map((node) => [node.nodeId, node]));
  }
}
