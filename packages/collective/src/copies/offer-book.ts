/**
 * What the friends offer, as they said last. A friend that has not answered since this coordinator
 * leads is unknown, which is another thing than one that offers nothing.
 */
import type { Clock } from "@hearthmesh/core";
import { withTimeout } from "../client/waiting.js";
import type { FriendName, FriendOffer, FriendsPort } from "./friends.js";

const ASK_TIMEOUT_MS = 10_000;

export interface Friend extends FriendName {
  /** Undefined while it is unknown. */
  readonly offer: FriendOffer | undefined;
  readonly heardAtMs: number | undefined;
  /** Why it did not answer last time. */
  readonly failure: string | undefined;
}

interface Heard {
  readonly offer: FriendOffer | undefined;
  readonly heardAtMs: number | undefined;
  readonly failure: string | undefined;
}

const NOTHING_HEARD: Heard = { offer: undefined, heardAtMs: undefined, failure: undefined };

export class OfferBook {
  readonly #port: FriendsPort;
  readonly #clock: Clock;
  readonly #heard = new Map<string, Heard>();

  constructor(port: FriendsPort, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
  }

  friends(): Friend[] {
    return this.#port.list().map((name) => ({
      ...name,
      ...(this.#heard.get(name.trustDomain) ?? NOTHING_HEARD),
    }));
  }

  friend(trustDomain: string): Friend | undefined {
    return this.friends().find((one) => one.trustDomain === trustDomain);
  }

  /** Asks every friend. Never rejects but for the signal. */
  async refresh(signal: AbortSignal): Promise<void> {
    const names = this.#port.list();
    const present = new Set(names.map(({ trustDomain }) => trustDomain));
    for (const known of [...this.#heard.keys()]) if (!present.has(known)) this.#heard.delete(known);
    await Promise.all(names.map(({ trustDomain }) => this.#ask(trustDomain, signal)));
    signal.throwIfAborted();
  }

  /** Bytes were written at a friend, or removed there; what it says itself comes later. */
  wrote(trustDomain: string, bytes: number): void {
    const heard = this.#heard.get(trustDomain);
    if (heard?.offer === undefined) return;
    const usedBytes = Math.max(0, heard.offer.usedBytes + bytes);
    this.#heard.set(trustDomain, { ...heard, offer: { ...heard.offer, usedBytes } });
  }

  /** The friend could not be used: nothing goes to it before it answers again. */
  failed(trustDomain: string, failure: string): void {
    const heard = this.#heard.get(trustDomain) ?? NOTHING_HEARD;
    this.#heard.set(trustDomain, { ...heard, failure });
  }

  async #ask(trustDomain: string, signal: AbortSignal): Promise<void> {
    const before = this.#heard.get(trustDomain) ?? NOTHING_HEARD;
    try {
      const offer = await withTimeout(this.#clock, ASK_TIMEOUT_MS, signal, (inner) =>
        this.#port.askOffer(trustDomain, inner),
      );
      const heardAtMs = this.#clock.nowMs();
      this.#heard.set(trustDomain, { offer, heardAtMs, failure: undefined });
    } catch (error) {
      this.#heard.set(trustDomain, { ...before, failure: (error as Error).message });
    }
  }
}
