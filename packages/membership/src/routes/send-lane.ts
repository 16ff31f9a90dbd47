/**
 * What waits for one neighbour: one request under way, of each node only the newest announcement,
 * and the newest digest. So a slow neighbour costs no more memory than a view.
 */
import type { Link } from "@hearthmesh/qwormhole";
import type { AnnouncementNumber } from "./announcement.js";
import { SEND_TIMEOUT_MS } from "./limits.js";
import type { AddressedAnnouncement } from "./route-events.js";
import { encodeAnnounce, encodeDigest, ROUTE_ANNOUNCE, ROUTE_DIGEST } from "./route-wire.js";

interface Digest {
  readonly numbers: readonly AnnouncementNumber[];
  readonly isAnswer: boolean;
}

export class SendLane {
  readonly #link: Link;
  readonly #onFailed: (error: unknown) => void;
  readonly #waiting = new Map<string, AddressedAnnouncement>();
  /** One of each sort: a question must not swallow an answer. */
  #question: Digest | undefined;
  #answer: Digest | undefined;
  #isSending = false;

  /** `onFailed` is called once for each request that did not get there, with what it held lost. */
  constructor(link: Link, onFailed: (error: unknown) => void) {
    this.#link = link;
    this.#onFailed = onFailed;
  }

  get link(): Link {
    return this.#link;
  }

  announce(announcements: readonly AddressedAnnouncement[]): void {
    for (const announcement of announcements) this.#waiting.set(announcement.nodeId, announcement);
    this.#pump();
  }

  digest(digest: Digest): void {
    if (digest.isAnswer) this.#answer = digest;
    else this.#question = digest;
    this.#pump();
  }

  #pump(): void {
    if (this.#isSending || !this.#link.isOpen) return;
    const request = this.#next();
    if (request === undefined) return;
    this.#isSending = true;
    void this.#send(request.method, request.pieces).then(() => {
      this.#isSending = false;
      this.#pump();
    });
  }

  /** Never rejects. */
  async #send(method: string, pieces: Uint8Array[]): Promise<void> {
    try {
      const options = { priority: "gossip", timeoutMs: SEND_TIMEOUT_MS } as const;
      await this.#link.request(method, pieces, options);
    } catch (error) {
      this.#onFailed(error);
    }
  }

  #next(): { method: string; pieces: Uint8Array[] } | undefined {
    const digest = this.#question ?? this.#answer;
    if (digest !== undefined) {
      if (digest === this.#question) this.#question = undefined;
      else this.#answer = undefined;
      return { method: ROUTE_DIGEST, pieces: encodeDigest(digest.numbers, digest.isAnswer) };
    }
    if (this.#waiting.size === 0) return undefined;
    const waiting = [...this.#waiting.values()];
    const { pieces, taken } = encodeAnnounce(waiting);
    for (const { nodeId } of waiting.slice(0, taken)) this.#waiting.delete(nodeId);
    return { method: ROUTE_ANNOUNCE, pieces };
  }
}
