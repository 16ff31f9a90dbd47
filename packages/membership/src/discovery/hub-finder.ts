/**
 * Asks a hub where its links are: at the start, again after a failure with full jitter, and every
 * `HUB_ASK_INTERVAL_MS` while the hub is not linked, for its address may have changed.
 */
import type { Clock, NodeId, Random, Timer } from "@hearthmesh/core";
import { plainReason } from "./dial-failure.js";
import {
  DIAL_BACKOFF_BASE_MS,
  DIAL_BACKOFF_MAX_MS,
  HUB_ASK_INTERVAL_MS,
  HUB_ASK_TIMEOUT_MS,
} from "./limits.js";

/** Where a node can be linked to. Without a node id, whoever of the mesh answers is taken. */
export interface Contact {
  readonly nodeId?: NodeId;
  /** `host:port` of links. */
  readonly linkAddresses: readonly string[];
}

export interface HubSource {
  /** For people, such as `https://hub.example.com`; holds no secret. */
  readonly label: string;
  find(signal: AbortSignal): Promise<Contact>;
}

/** A hub of the configuration, as it is now. */
export interface HubReport {
  readonly label: string;
  /** Undefined when the configuration names an address alone. */
  readonly nodeId: NodeId | undefined;
  readonly linkAddresses: readonly string[];
  /** By a direct link. Undefined while nobody knows where it is. */
  readonly isLinked: boolean | undefined;
  /** Why the last question where it is failed. */
  readonly reason: string | undefined;
}

export interface HubFinderOptions {
  source: HubSource;
  clock: Clock;
  random: Random;
  isLinked(contact: Contact): boolean;
  onFound(contact: Contact): void;
}

export class HubFinder {
  readonly #options: HubFinderOptions;
  #contact: Contact | undefined;
  #stopped = new AbortController();
  #timer: Timer | undefined;
  #failedAttempts = 0;
  #reason: string | undefined;
  #foundMs: number | undefined;
  #isAsking = false;

  constructor(options: HubFinderOptions) {
    this.#options = options;
  }

  /** Why the last question failed; undefined when it did not. */
  get reason(): string | undefined {
    return this.#reason === undefined
      ? undefined
      : `${this.#options.source.label}: ${this.#reason}`;
  }

  get foundMs(): number | undefined {
    return this.#foundMs;
  }

  /** As the configuration names it. */
  get label(): string {
    return this.#options.source.label;
  }

  /** What the last question told; undefined before the first answer. */
  get contact(): Contact | undefined {
    return this.#contact;
  }

  /** Undefined while nobody knows where it is. */
  get isLinked(): boolean | undefined {
    return this.#contact && this.#options.isLinked(this.#contact);
  }

  start(): void {
    this.#stopped = new AbortController();
    this.askSoon();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopped.abort();
  }

  askSoon(): void {
    if (this.#stopped.signal.aborted) return;
    this.#timer?.cancel();
    this.#failedAttempts = 0;
    void this.#ask(this.#stopped.signal);
  }

  #askLater(delayMs: number, stopped: AbortSignal): void {
    if (stopped.aborted) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimeout(() => {
      const isLinked = this.#contact !== undefined && this.#options.isLinked(this.#contact);
      if (isLinked) this.#askLater(HUB_ASK_INTERVAL_MS, stopped);
      else void this.#ask(stopped);
    }, delayMs);
  }

  async #ask(stopped: AbortSignal): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { source, clock, random } = this.#options;
    const tooLate = new AbortController();
    const timer = clock.setTimeout(() => {
      tooLate.abort(new Error("no answer in time"));
    }, HUB_ASK_TIMEOUT_MS);
    const signal = AbortSignal.any([stopped, tooLate.signal]);
    let delayMs = HUB_ASK_INTERVAL_MS;
    try {
      const contact = await Promise.race([source.find(signal), rejectOnAbort(signal)]);
      this.#contact = contact;
      this.#reason = undefined;
      this.#failedAttempts = 0;
      this.#foundMs = clock.monotonicMs();
      if (!stopped.aborted) this.#options.onFound(contact);
    } catch (error) {
      this.#reason = plainReason(error);
      this.#failedAttempts += 1;
      const spanMs = DIAL_BACKOFF_BASE_MS * 2 ** Math.min(this.#failedAttempts, 16);
      const jitterMs = random.float() * Math.min(spanMs, DIAL_BACKOFF_MAX_MS);
      delayMs = Math.max(DIAL_BACKOFF_BASE_MS / 2, jitterMs);
    } finally {
      timer.cancel();
      this.#isAsking = false;
      this.#askLater(delayMs, stopped);
    }
  }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}
