/**
 * Takes tickets back when their reason is gone: tells every storage node at once, and those that
 * are away when they register again. A machine of this member that passes on what others asked for
 * (a gateway) keeps its tickets, because it judges its own callers anew.
 */
import { type Clock, errorFields, type Logger, limits, type NodeId, sleep } from "@hearthmesh/core";
import type { AccessChange } from "../authority/access-news.js";
import { EVERY_HOLDER, type TicketVoid } from "../storage/ticket-voids.js";
import type { AccessPolicy } from "./access.js";
import type { NodeCalls } from "./node-calls.js";
import type { TicketOffice } from "./ticket-office.js";
import type { TicketReason } from "./ticket-watch.js";
import type { VoidBook } from "./void-book.js";

const ATTEMPTS_MAX = 3;
const AGAIN_MS = 1_000;

export interface TicketVoiderOptions {
  readonly access: AccessPolicy;
  readonly book: VoidBook;
  readonly calls: Pick<NodeCalls, "void">;
  /** Storage nodes that can be told now. */
  readonly online: () => readonly NodeId[];
  readonly tickets: TicketOffice;
  /** A machine of this member that acts for others. */
  readonly isGateway: (nodeId: NodeId) => boolean;
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class TicketVoider {
  readonly #options: TicketVoiderOptions;
  #unsubscribe: () => void = () => undefined;

  constructor(options: TicketVoiderOptions) {
    this.#options = options;
  }

  start(): void {
    const { access } = this.#options;
    this.#unsubscribe = access.onAccessChanged?.((change) => this.#onChange(change)) ?? (() => {});
  }

  stop(): void {
    this.#unsubscribe();
  }

  #onChange(change: AccessChange): void {
    const { tickets, book, isGateway, log } = this.#options;
    const found = tickets.watch.lost(change, (reason) => this.#holds(reason));
    const { everybody } = found;
    const lost = found.holders.filter((holder) => !isGateway(holder));
    if (lost.length === 0 && !everybody) return;
    const beforeMs = tickets.afterAllTickets();
    const all = everybody || lost.length > limits.VOIDED_HOLDERS_MAX;
    const holders: readonly TicketVoid["holder"][] = all ? [EVERY_HOLDER] : lost;
    const voids = holders.map((holder) => book.add(holder, beforeMs));
    log.info("tickets were taken back: somebody may do less", { count: voids.length });
    for (const nodeId of this.#options.online()) void this.#tell(nodeId, voids);
  }

  #holds({ principal, path, right }: TicketReason): boolean {
    try {
      this.#options.access.authorize(principal, path, right);
      return true;
    } catch {
      return false;
    }
  }

  /** A node that cannot be told has no link: it is told when it registers. */
  async #tell(nodeId: NodeId, voids: readonly TicketVoid[]): Promise<void> {
    const { calls, epoch, clock, log } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await calls.void(nodeId, { voids, epoch });
      } catch (error) {
        if (attempt >= ATTEMPTS_MAX) {
          log.warn("a node was not told whose tickets end", { nodeId, ...errorFields(error) });
          return;
        }
        await sleep(clock, AGAIN_MS);
      }
    }
  }
}
