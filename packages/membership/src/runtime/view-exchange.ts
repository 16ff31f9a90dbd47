/**
 * The exchange of whole views over a link, from both ends. Who begins sends the hash of its view;
 * when that of the other side is another, it gets that side's summary, and from both follows what
 * is wanted and given, page by page. So two nodes that agree exchange some 100 bytes, and 4,096
 * nodes never make a message that is larger than a page.
 *
 * Error contract: `run` rejects with a `MeshError` when the link fails or the answer is none;
 * `answer` throws what the link is to answer.
 */
import { fromWireError, type NodeId, parseNodeId } from "@hearthmesh/core";
import type { Answer, Link } from "@hearthmesh/qwormhole";
import type { Claim } from "../swim/messages.js";
import { EXCHANGE_PAGE_NODES_MAX, EXCHANGE_PAGES_MAX, EXCHANGE_REQUEST_MS_MAX } from "./limits.js";
import {
  decodeExchangeRequest,
  decodePage,
  decodeSummaryAnswer,
  EXCHANGE_METHOD,
  encodePage,
  encodePageRequest,
  encodeSummaryAnswer,
  encodeSummaryRequest,
  type ViewPage,
} from "./mesh-messages.js";
import {
  compareSummaries,
  decodeSummary,
  encodeSummary,
  hashOfSummary,
  type SummaryEntry,
} from "./view-summary.js";

/** The view that is exchanged. */
export interface ExchangedView {
  /** This node and all that it knows. */
  summary(): SummaryEntry[];
  claimsAbout(nodeId: NodeId, listener: NodeId): Claim[];
  certificateOf(nodeId: NodeId): Uint8Array | undefined;
  ownCertificate(): Uint8Array;
  takeCertificates(certificates: readonly Uint8Array[], from: NodeId): void;
  takeClaims(claims: readonly Claim[], from: NodeId): void;
}

const REQUEST = { priority: "gossip", timeoutMs: EXCHANGE_REQUEST_MS_MAX } as const;

export class ViewExchange {
  readonly #view: ExchangedView;
  readonly #running = new Map<NodeId, Promise<void>>();

  constructor(view: ExchangedView) {
    this.#view = view;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Resolves when both sides know what either knew. One that is under way is shared. */
  run(link: Link): Promise<void> {
    const peer = parseNodeId(link.peer.nodeId);
    const running = this.#running.get(peer);
    if (running !== undefined) return running;
    const exchange = this.#run(link, peer)
      .catch((error: unknown) => {
        throw fromWireError(error);
      })
      .finally(() => this.#running.delete(peer));
    this.#running.set(peer, exchange);
    return exchange;
  }

  /** The other end of `run`. */
  answer(body: Uint8Array, peer: NodeId): Answer {
    const request = decodeExchangeRequest(body);
    if (request.kind === "summary") {
      if (request.certificate.length > 0) this.#view.takeCertificates([request.certificate], peer);
      const summary = encodeSummary(this.#view.summary());
      return encodeSummaryAnswer(hashOfSummary(summary) === request.hash ? undefined : summary);
    }
    this.#take(request, peer);
    return encodePage(this.#page(request.wanted, new Set(request.wanted), peer));
  }

  async #run(link: Link, peer: NodeId): Promise<void> {
    const mine = this.#view.summary();
    const hash = hashOfSummary(encodeSummary(mine));
    const first = encodeSummaryRequest(hash, this.#view.ownCertificate());
    const answer = decodeSummaryAnswer(await link.request(EXCHANGE_METHOD, first, REQUEST));
    if (answer === undefined) return;
    const own = new Map(mine.map((entry) => [entry.nodeId, entry]));
    const { wanted, given, unknown } = compareSummaries(own, decodeSummary(answer));
    for (let page = 0; page < EXCHANGE_PAGES_MAX; page++) {
      if (wanted.length === 0 && given.length === 0) return;
      const wants = wanted.splice(0, EXCHANGE_PAGE_NODES_MAX);
      const gives = given.splice(0, EXCHANGE_PAGE_NODES_MAX);
      const request = encodePageRequest(wants, this.#page(gives, unknown, peer));
      this.#take(decodePage(await link.request(EXCHANGE_METHOD, request, REQUEST)), peer);
    }
  }

  #page(nodeIds: readonly NodeId[], lacking: ReadonlySet<NodeId>, listener: NodeId): ViewPage {
    const claims = nodeIds.flatMap((nodeId) => this.#view.claimsAbout(nodeId, listener));
    const certificates = nodeIds
      .filter((nodeId) => lacking.has(nodeId))
      .map((nodeId) => this.#view.certificateOf(nodeId))
      .filter((der) => der !== undefined);
    return { claims, certificates };
  }

  #take(page: ViewPage, from: NodeId): void {
    this.#view.takeCertificates(page.certificates, from);
    this.#view.takeClaims(page.claims, from);
  }
}
