/**
 * Fetches certificates over links: of nodes whose records wait for one, from who told of them, from
 * themselves, or from anybody; and of nodes whose certificate ends.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  type NodeId,
  parseNodeId,
  type Random,
  randomInteger,
  type Timer,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import type { MeshLinks } from "../ports.js";
import type { CertificateBook } from "./certificate-book.js";
import {
  CERTIFICATE_CHECK_MS,
  CERTIFICATE_RETRY_MS,
  CERTIFICATES_PER_REQUEST_MAX,
  EXCHANGE_REQUEST_MS_MAX,
} from "./limits.js";
import {
  CERTIFICATES_METHOD,
  decodeCertificates,
  encodeCertificatesRequest,
} from "./mesh-messages.js";

export interface CertificateFetcherOptions {
  readonly book: CertificateBook;
  readonly links: MeshLinks;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Begins to open a link, in the background. */
  ensureLink(nodeId: NodeId): void;
  takeCertificates(certificates: readonly Uint8Array[], from: NodeId): void;
}

/** Records that come together are fetched together. */
const GATHER_MS = 10;

export class CertificateFetcher {
  readonly #options: CertificateFetcherOptions;
  readonly #asked = new Set<NodeId>();
  #timer: Timer | undefined;
  #checkTimer: Timer | undefined;
  #isStopped = false;

  constructor(options: CertificateFetcherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#planCheck();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#checkTimer?.cancel();
  }

  /** A record waits. */
  wake(delayMs = GATHER_MS): void {
    if (this.#isStopped || this.#timer !== undefined) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#fetchWaiting();
    }, delayMs);
  }

  #fetchWaiting(): void {
    const { book, clock } = this.#options;
    const waiting = book.waiting(clock.monotonicMs());
    if (waiting.length === 0) return;
    const batches = new Map<Link, NodeId[]>();
    for (const pending of waiting) {
      const { nodeId } = pending.record;
      if (this.#asked.has(nodeId)) continue;
      const link = this.#linkFor(nodeId, pending.teller, pending.tries);
      if (link === undefined) continue;
      const batch = batches.get(link) ?? [];
      if (batch.length >= CERTIFICATES_PER_REQUEST_MAX) continue;
      pending.tries++;
      batches.set(link, [...batch, nodeId]);
    }
    for (const [link, nodeIds] of batches) void this.#ask(link, nodeIds);
    this.wake(CERTIFICATE_RETRY_MS);
  }

  /** Of one who should have it; another one with each try. */
  #linkFor(nodeId: NodeId, teller: NodeId, tries: number): Link | undefined {
    const { links, random } = this.#options;
    const preferred = tries === 0 ? [teller] : tries === 1 ? [nodeId, teller] : [];
    for (const candidate of preferred) {
      const link = links.openLink(candidate);
      if (link !== undefined) return link;
    }
    const open = links.openLinks();
    const any = open[randomInteger(random, open.length)];
    if (any === undefined) this.#options.ensureLink(teller);
    return any?.link;
  }

  async #ask(link: Link, nodeIds: readonly NodeId[]): Promise<void> {
    for (const nodeId of nodeIds) this.#asked.add(nodeId);
    try {
      const request = encodeCertificatesRequest(nodeIds);
      const options = { priority: "gossip", timeoutMs: EXCHANGE_REQUEST_MS_MAX } as const;
      const answer = decodeCertificates(await link.request(CERTIFICATES_METHOD, request, options));
      if (!this.#isStopped) {
        this.#options.takeCertificates(answer, parseNodeId(link.peer.nodeId));
      }
    } catch (error) {
      const { log } = this.#options;
      log.debug("certificates could not be fetched", {
        nodeId: link.peer.nodeId,
        count: nodeIds.length,
        ...errorFields(error),
      });
    } finally {
      for (const nodeId of nodeIds) this.#asked.delete(nodeId);
    }
  }

  /** Those that end: from the node itself where a link is open, else from anybody. */
  #fetchEnding(): void {
    const { book, links, random } = this.#options;
    const ending = book.ending().filter((nodeId) => !this.#asked.has(nodeId));
    const others: NodeId[] = [];
    for (const nodeId of ending.slice(0, CERTIFICATES_PER_REQUEST_MAX)) {
      const link = links.openLink(nodeId);
      if (link === undefined) others.push(nodeId);
      else void this.#ask(link, [nodeId]);
    }
    const open = links.openLinks();
    const any = open[randomInteger(random, open.length)];
    if (any !== undefined && others.length > 0) void this.#ask(any.link, others);
  }

  #planCheck(): void {
    if (this.#isStopped) return;
    this.#checkTimer = this.#options.clock.setTimeout(() => {
      this.#fetchEnding();
      this.#planCheck();
    }, CERTIFICATE_CHECK_MS);
  }
}
