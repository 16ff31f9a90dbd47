/**
 * A link over the overlay gives way to one without it: a laptop that comes home should not go on
 * talking to the next room through a machine elsewhere. The other addresses of such a peer are
 * tried in growing pauses, anew when they change.
 *
 * Of the two ends the one with the lower id dials, because of two links both ends use the one that
 * this end dialled last (`LinkChoice`); the older one is retired when nothing is under way on it.
 */
import type { Clock, NodeId, Random, Startable, Timer } from "@hearthmesh/core";
import { parseEndpoint } from "@hearthmesh/identity";
import type { LinkDialer, OpenLink, PeerInfo } from "@hearthmesh/membership";
import {
  SHORTER_DIAL_MS_MAX,
  SHORTER_LOOK_MS,
  SHORTER_PAUSE_MS,
  SHORTER_PAUSE_MS_MAX,
} from "./limits.js";
import type { Overlay } from "./overlay.js";

export interface ShorterWaysOptions {
  readonly self: NodeId;
  readonly overlay: Pick<Overlay, "contains">;
  readonly links: { openLinks(): readonly OpenLink[] };
  peer(nodeId: NodeId): Pick<PeerInfo, "linkAddresses"> | undefined;
  /** Links that it opens are taken by the mesh like all others. */
  readonly doors: Pick<LinkDialer, "dial">;
  readonly clock: Clock;
  readonly random: Random;
}

interface Attempt {
  readonly addresses: string;
  readonly pauseMs: number;
  readonly nextMs: number;
}

export class ShorterWays implements Startable {
  readonly name = "shorter ways";
  readonly #options: ShorterWaysOptions;
  /** One for each peer whose link goes over the overlay now; forgotten with that. */
  #attempts = new Map<NodeId, Attempt>();
  #timer: Timer | undefined;
  #stopping = new AbortController();

  constructor(options: ShorterWaysOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController();
    this.#later();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopping.abort();
  }

  /** Tries who is due, one after the other; called by its timer. */
  async look(): Promise<void> {
    const due = this.#due();
    for (const [nodeId, addresses] of due) {
      for (const address of addresses) {
        if (this.#stopping.signal.aborted || (await this.#dial(nodeId, address))) break;
      }
    }
  }

  #later(): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimeout(() => {
      void this.look().finally(() => {
        if (!this.#stopping.signal.aborted) this.#later();
      });
    }, SHORTER_LOOK_MS);
  }

  #due(): [NodeId, readonly string[]][] {
    const { self, clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    const attempts = new Map<NodeId, Attempt>();
    const due: [NodeId, readonly string[]][] = [];
    for (const nodeId of this.#overOverlay()) {
      const addresses = this.#otherAddresses(nodeId);
      if (self > nodeId || addresses.length === 0) continue;
      const text = addresses.join(" ");
      const before = this.#attempts.get(nodeId);
      const known = before?.addresses === text ? before : undefined;
      if (known !== undefined && nowMs < known.nextMs) {
        attempts.set(nodeId, known);
        continue;
      }
      const pauseMs = Math.min(2 * (known?.pauseMs ?? SHORTER_PAUSE_MS / 2), SHORTER_PAUSE_MS_MAX);
      // With jitter, so that all nodes of a mesh do not try at once.
      const nextMs = nowMs + pauseMs * (0.5 + random.float());
      attempts.set(nodeId, { addresses: text, pauseMs, nextMs });
      due.push([nodeId, addresses]);
    }
    this.#attempts = attempts;
    return due;
  }

  #overOverlay(): NodeId[] {
    const { links, overlay } = this.#options;
    return links
      .openLinks()
      .filter(({ kind, link }) => kind === "direct" && overlay.contains(hostOf(link)))
      .map(({ link }) => link.peer.nodeId as NodeId);
  }

  #otherAddresses(nodeId: NodeId): string[] {
    const { peer, overlay } = this.#options;
    const all = peer(nodeId)?.linkAddresses ?? [];
    return all.filter((address) => !overlay.contains(hostIn(address)));
  }

  async #dial(nodeId: NodeId, address: string): Promise<boolean> {
    const { doors, clock } = this.#options;
    const tooLate = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, tooLate.signal]);
    const timer = clock.setTimeout(() => tooLate.abort(), SHORTER_DIAL_MS_MAX);
    try {
      await doors.dial(parseEndpoint(address), { expectedNodeId: nodeId, signal });
      return true;
    } catch {
      return false;
    } finally {
      timer.cancel();
    }
  }
}

function hostOf({ peer }: OpenLink["link"]): string {
  return hostIn(peer.remoteAddress);
}

function hostIn(address: string): string {
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}
