/**
 * Dials the addresses of one node: the best first, the next one beside it after `DIAL_STAGGER_MS`
 * or as soon as one fails (the idea of RFC 8305). The first link wins; the others are given up,
 * and a link that comes after the winner is closed.
 */
import { type Clock, MeshError, type Timer } from "@hearthmesh/core";
import { parseEndpoint } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { LinkDialer } from "../ports.js";
import type { AddressFailure } from "./candidate.js";
import { describeFailure, isSelfConnect } from "./dial-failure.js";
import { DIAL_STAGGER_MS, DIAL_TIMEOUT_MS } from "./limits.js";

export interface RaceOptions {
  dialer: Pick<LinkDialer, "dial">;
  clock: Clock;
  expectedNodeId?: string | undefined;
  signal: AbortSignal;
}

export type RaceResult =
  | { readonly link: Link; readonly address: string }
  | { readonly failures: readonly AddressFailure[]; readonly isSelf: boolean };

/** Never rejects. Without addresses the answer is no failures. */
export function raceAddresses(
  addresses: readonly string[],
  options: RaceOptions,
): Promise<RaceResult> {
  return new Promise((resolve) => new Race(addresses, options, resolve).next());
}

class Race {
  readonly #addresses: readonly string[];
  readonly #options: RaceOptions;
  readonly #resolve: (result: RaceResult) => void;
  readonly #givenUp = new AbortController();
  readonly #failures: AddressFailure[] = [];
  readonly #signal: AbortSignal;
  #started = 0;
  #isSelf = false;
  #isOver = false;
  #stagger: Timer | undefined;

  constructor(
    addresses: readonly string[],
    options: RaceOptions,
    resolve: (result: RaceResult) => void,
  ) {
    this.#addresses = addresses;
    this.#options = options;
    this.#resolve = resolve;
    this.#signal = AbortSignal.any([options.signal, this.#givenUp.signal]);
  }

  /** Starts the next address, if there is one, and ends the race when all have failed. */
  next(): void {
    this.#stagger?.cancel();
    if (this.#isOver) return;
    const address = this.#addresses[this.#started];
    if (address === undefined) {
      if (this.#failures.length < this.#started) return;
      this.#end({ failures: this.#failures, isSelf: this.#isSelf });
      return;
    }
    this.#started += 1;
    this.#stagger = this.#options.clock.setTimeout(() => this.next(), DIAL_STAGGER_MS);
    void this.#try(address);
  }

  #end(result: RaceResult): void {
    this.#isOver = true;
    this.#stagger?.cancel();
    this.#resolve(result);
    this.#givenUp.abort();
  }

  async #try(address: string): Promise<void> {
    try {
      const link = await this.#dial(address);
      if (this.#isOver) await link.close("another address was faster");
      else this.#end({ link, address });
    } catch (error) {
      this.#isSelf ||= isSelfConnect(error);
      this.#failures.push(describeFailure(address, error));
      this.next();
    }
  }

  async #dial(address: string): Promise<Link> {
    const { dialer, clock, expectedNodeId } = this.#options;
    this.#signal.throwIfAborted();
    const tooLate = new AbortController();
    const signal = AbortSignal.any([this.#signal, tooLate.signal]);
    const expected = expectedNodeId === undefined ? {} : { expectedNodeId };
    const dialled = dialer.dial(parseEndpoint(address), { ...expected, signal });
    // A dialer that does not listen to the signal must not keep the race open.
    return new Promise<Link>((resolve, reject) => {
      let isSettled = false;
      const settle = (action: () => void) => {
        if (isSettled) return;
        isSettled = true;
        timer.cancel();
        action();
      };
      const timer = clock.setTimeout(() => {
        const reason = new MeshError("MESH_TIMEOUT", { message: "no answer in time" });
        settle(() => reject(reason));
        tooLate.abort(reason);
      }, DIAL_TIMEOUT_MS);
      signal.addEventListener("abort", () => settle(() => reject(signal.reason)), { once: true });
      dialled.then(
        (link) => {
          if (isSettled) void link.close("the attempt was given up").catch(() => undefined);
          settle(() => resolve(link));
        },
        (error) => settle(() => reject(error)),
      );
    });
  }
}
