/**
 * Runs the reconnect machine of one client: dials, sets its timer, and tells what came of it. A
 * link that nobody waits for any more is ended at once.
 */
import { dialLink } from "../dial-link.js";
import { QWormholeError } from "../errors.js";
import type { Link, LinkClock, LinkOptions } from "../link.js";
import { systemLinkClock } from "../system-clock.js";
import type { Address } from "../transport.js";
import { PERMANENT_CODES } from "./client-events.js";
import { codeOf } from "./metrics.js";
import type { Parts } from "./parts.js";
import {
  type ReconnectConfig,
  type ReconnectEffect,
  type ReconnectEvent,
  type ReconnectState,
  stepReconnect,
} from "./reconnect.js";

export interface DialerHost {
  readonly parts: Parts;
  readonly endpoints: readonly Address[];
  readonly config: ReconnectConfig;
  readonly expectedNodeId: string | undefined;
  readonly connectTimeoutMs: number | undefined;
  /** A clock of the host; without one, waits keep the process alive. */
  readonly clock: LinkClock | undefined;
  readonly handlers: LinkOptions["handlers"];
  onConnected(link: Link, endpoint: Address, isFailBack: boolean): void;
  onDialFailed(error: Error, endpoint: Address): void;
  onReconnecting(attempt: number, delayMs: number, error: Error | undefined): void;
  onEnded(error: Error | undefined): void;
}

export class Dialer {
  readonly #host: DialerHost;
  readonly #clock: LinkClock;
  #state: ReconnectState = { phase: "idle" };
  #timer: { cancel(): void } | undefined;
  readonly #stops = new Map<number, AbortController>();
  /** The link of the `dialed` event that is being stepped. */
  #dialed: Link | undefined;

  constructor(host: DialerHost) {
    this.#host = host;
    // An application that only waits for its server to come back must not end.
    this.#clock = host.clock ?? systemLinkClock({ keepsAlive: true });
  }

  get phase(): ReconnectState["phase"] {
    return this.#state.phase;
  }

  connect(): void {
    this.#step({ type: "connect" });
  }

  stop(): void {
    this.#step({ type: "stop" });
  }

  lost(error: Error | undefined): void {
    this.#step({ type: "lost", error });
  }

  #step(event: ReconnectEvent): void {
    const at = { nowMs: this.#clock.monotonicMs(), chance: this.#host.parts.random.float() };
    const { state, effects } = stepReconnect(this.#host.config, this.#state, event, at);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ReconnectEffect): void {
    switch (effect.type) {
      case "dial":
        this.#dial(effect.dial, this.#endpoint(effect.endpoint));
        return;
      case "timer":
        this.#timer?.cancel();
        this.#timer = this.#clock.setTimeout(() => this.#step({ type: "timer" }), effect.delayMs);
        return;
      case "connected":
      case "switched":
        if (this.#dialed === undefined) return;
        this.#host.onConnected(
          this.#dialed,
          this.#endpoint(effect.endpoint),
          effect.type === "switched",
        );
        return;
      case "reconnecting":
        this.#host.onReconnecting(effect.attempt, effect.delayMs, effect.error);
        return;
      case "ended":
        this.#timer?.cancel();
        for (const stop of this.#stops.values()) stop.abort();
        this.#host.onEnded(effect.error);
    }
  }

  #endpoint(index: number): Address {
    return this.#host.endpoints[index] as Address;
  }

  async #dial(dial: number, endpoint: Address): Promise<void> {
    const stop = new AbortController();
    this.#stops.set(dial, stop);
    const { parts, handlers, expectedNodeId, connectTimeoutMs } = this.#host;
    // Getters must stay getters: identity and buckets are made for each link.
    const options: LinkOptions & { signal: AbortSignal } = Object.create(parts.linkOptions, {
      handlers: { value: handlers },
      expectedNodeId: { value: expectedNodeId },
      dialTimeoutMs: { value: connectTimeoutMs },
      signal: { value: stop.signal },
    });
    try {
      await dialLink(parts.transport, endpoint, options, (link) => this.#onDialed(dial, link));
    } catch (error) {
      this.#onFailed(dial, error as Error, endpoint);
    } finally {
      this.#stops.delete(dial);
    }
  }

  #onDialed(dial: number, link: Link): void {
    const state = this.#state;
    const isAwaited =
      (state.phase === "dialing" && state.dial === dial) ||
      (state.phase === "connected" && state.probe?.dial === dial);
    if (!isAwaited) {
      link.destroy(new QWormholeError("QW_CANCELLED"));
      return;
    }
    this.#dialed = link;
    this.#step({ type: "dialed", dial });
    this.#dialed = undefined;
  }

  #onFailed(dial: number, error: Error, endpoint: Address): void {
    if (this.#state.phase === "ended") return;
    this.#host.onDialFailed(error, endpoint);
    this.#step({ type: "failed", dial, error, permanent: PERMANENT_CODES.has(codeOf(error)) });
  }
}
