/** What a relay says in its log: who is connected, and how much it passed on. */
import type { Clock, Logger, NodeId, Startable } from "@hearthmesh/core";
import type { MeshLinkTable, OpenLink, RelayService } from "@hearthmesh/membership";

/** Between two looks at the counters; nothing is written while nothing moves. */
const LOOK_EVERY_MS = 10_000;

export interface RelayReportOptions {
  readonly relay: Pick<RelayService, "status">;
  readonly links: Pick<MeshLinkTable, "onLink" | "openLinks">;
  /** For people; undefined while the node is not known. */
  nameOf(nodeId: NodeId): string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export class RelayReport implements Startable {
  readonly name = "relay report";
  readonly #options: RelayReportOptions;
  #stop: () => void = () => undefined;
  #told = "";

  constructor(options: RelayReportOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { links, clock } = this.#options;
    const unsubscribe = links.onLink((open, isOpen) => this.#onLink(open, isOpen));
    let timer = clock.setTimeout(() => undefined, 0);
    const look = () => {
      this.#tell();
      timer = clock.setTimeout(look, LOOK_EVERY_MS);
    };
    look();
    this.#stop = () => {
      unsubscribe();
      timer.cancel();
    };
  }

  async stop(): Promise<void> {
    this.#stop();
    this.#tell();
  }

  #onLink({ link, kind }: OpenLink, isOpen: boolean): void {
    const { nameOf, log } = this.#options;
    const nodeId = link.peer.nodeId as NodeId;
    const nodeName = nameOf(nodeId) ?? nodeId;
    log.info(isOpen ? "a node is connected" : "a node is gone", { nodeName, nodeId, reason: kind });
  }

  #tell(): void {
    const { streams, openStreams, bytes, refused } = this.#options.relay.status().all;
    const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0);
    const now = `${streams} streams (${openStreams} open), ${bytes} bytes, ${refusals} refused`;
    if (streams + refusals === 0 || now === this.#told) return;
    this.#told = now;
    this.#options.log.info(`passed on: ${now}`);
  }
}
