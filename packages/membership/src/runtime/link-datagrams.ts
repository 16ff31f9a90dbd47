/**
 * Datagrams as requests on links, where UDP does not get through. Links that are open are used;
 * one is opened when it must be, in the background, with a growing pause after each failure.
 * Nothing here waits for an answer or fails: what cannot be sent is lost, as over UDP.
 */
import {
  type Clock,
  errorFields,
  type Logger,
  type NodeId,
  parseNodeId,
  type Random,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { NODES_MAX } from "../limits.js";
import type { MeshLinks } from "../ports.js";
import {
  LINK_DATAGRAM_MS_MAX,
  LINK_DATAGRAMS_OPEN_MAX,
  LINK_DATAGRAMS_WAITING_MAX,
  LINK_DIAL_MS_MAX,
  LINK_DIALS_MAX,
  LINK_RETRY_MS_MAX,
  LINK_RETRY_MS_MIN,
} from "./limits.js";
import { DATAGRAM_METHOD } from "./mesh-messages.js";

export interface LinkDatagramsOptions {
  readonly links: MeshLinks;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** A link that was opened from here is there. */
  onDialled(link: Link): void;
}

interface Attempts {
  failures: number;
  /** No dial before this time. */
  notBeforeMs: number;
}

export class LinkDatagrams {
  readonly #options: LinkDatagramsOptions;
  readonly #waiting = new Map<NodeId, Uint8Array[]>();
  readonly #dialling = new Set<NodeId>();
  readonly #attempts = new Map<NodeId, Attempts>();
  readonly #open = new Map<NodeId, number>();
  readonly #stopping = new AbortController();

  constructor(options: LinkDatagramsOptions) {
    this.#options = options;
  }

  /** `mayDial`: a link is opened when there is none, and the datagram waits for it. */
  send(to: NodeId, bytes: Uint8Array, mayDial: boolean): void {
    const link = this.#options.links.openLink(to);
    if (link !== undefined) this.#request(to, link, bytes);
    else if (mayDial) {
      const waiting = this.#waiting.get(to) ?? [];
      this.#waiting.set(to, [...waiting, bytes].slice(-LINK_DATAGRAMS_WAITING_MAX));
      if (!this.ensure(to)) this.#waiting.delete(to);
    }
  }

  /** Opens a link unless there is one. False when it is not to be tried now. */
  ensure(nodeId: NodeId): boolean {
    const { links, clock } = this.#options;
    if (this.#dialling.has(nodeId)) return true;
    if (this.#stopping.signal.aborted || links.openLink(nodeId) !== undefined) return false;
    const attempts = this.#attempts.get(nodeId);
    if (attempts !== undefined && clock.monotonicMs() < attempts.notBeforeMs) return false;
    if (this.#dialling.size >= LINK_DIALS_MAX) return false;
    void this.#dial(nodeId);
    return true;
  }

  /** A link to the node is there, whoever opened it. */
  opened(link: Link): void {
    const nodeId = parseNodeId(link.peer.nodeId);
    this.#attempts.delete(nodeId);
    for (const bytes of this.#takeWaiting(nodeId)) this.#request(nodeId, link, bytes);
  }

  stop(): void {
    this.#stopping.abort();
    this.#waiting.clear();
  }

  async #dial(nodeId: NodeId): Promise<void> {
    const { links, clock, log, onDialled } = this.#options;
    this.#dialling.add(nodeId);
    const timeout = new AbortController();
    const timer = clock.setTimeout(() => timeout.abort(), LINK_DIAL_MS_MAX);
    const signal = AbortSignal.any([timeout.signal, this.#stopping.signal]);
    try {
      const link = await links.linkTo(nodeId, { signal });
      if (this.#stopping.signal.aborted) return;
      this.opened(link);
      onDialled(link);
    } catch (error) {
      this.#failed(nodeId);
      log.debug("no link to a node for its membership", { nodeId, ...errorFields(error) });
    } finally {
      timer.cancel();
      this.#dialling.delete(nodeId);
      this.#waiting.delete(nodeId);
    }
  }

  #failed(nodeId: NodeId): void {
    const { clock, random } = this.#options;
    const failures = (this.#attempts.get(nodeId)?.failures ?? 0) + 1;
    const longestMs = Math.min(LINK_RETRY_MS_MAX, LINK_RETRY_MS_MIN * 2 ** Math.min(failures, 16));
    const [oldest] = this.#attempts.keys();
    if (this.#attempts.size >= NODES_MAX && oldest !== undefined) this.#attempts.delete(oldest);
    const notBeforeMs = clock.monotonicMs() + longestMs * (0.5 + random.float() / 2);
    this.#attempts.set(nodeId, { failures, notBeforeMs });
  }

  #takeWaiting(nodeId: NodeId): Uint8Array[] {
    const waiting = this.#waiting.get(nodeId) ?? [];
    this.#waiting.delete(nodeId);
    return waiting;
  }

  #request(to: NodeId, link: Link, bytes: Uint8Array): void {
    const open = this.#open.get(to) ?? 0;
    if (open >= LINK_DATAGRAMS_OPEN_MAX) return;
    this.#open.set(to, open + 1);
    const options = { priority: "control", timeoutMs: LINK_DATAGRAM_MS_MAX } as const;
    const done = () => {
      const left = (this.#open.get(to) ?? 1) - 1;
      if (left > 0) this.#open.set(to, left);
      else this.#open.delete(to);
    };
    const lost = (error: unknown) => {
      done();
      const { log } = this.#options;
      log.debug("a datagram on a link was lost", { nodeId: to, ...errorFields(error) });
    };
    // `request` itself throws on a link that is closing.
    Promise.resolve()
      .then(() => link.request(DATAGRAM_METHOD, bytes, options))
      .then(done, lost);
  }
}
