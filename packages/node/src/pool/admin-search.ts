/**
 * A newcomer looks for the admin of a pool and asks it, until there is an answer or no time left.
 * Places come from the command line or are heard on the LAN while it looks. They are tried one
 * after the other: the admin holds the line while nobody has decided, so that an approval arrives
 * at once. A place that does not answer, or where somebody else does, is left alone for a moment.
 */
import { askToJoinPool, type PoolAnswer } from "@hearthmesh/client";
import {
  type Clock,
  isMeshError,
  type Logger,
  MeshError,
  type Random,
  type Timer,
} from "@hearthmesh/core";
import type { PoolJoinRequest } from "@hearthmesh/gateway/contracts";
import { type Endpoint, formatEndpoint, type KeyPairPem } from "@hearthmesh/identity";
import { wordsOfNode } from "@hearthmesh/pool/membership";
import {
  CALL_PLACES_MAX,
  JOIN_WAIT_MS_MAX,
  PLACE_BUSY_PAUSE_MS,
  PLACE_PAUSE_MS,
} from "./limits.js";
import { NewcomerCalls } from "./newcomer-calls.js";

export interface AdminSearchOptions {
  readonly poolId: string;
  readonly root: string;
  readonly name: string;
  readonly keyPair: KeyPairPem;
  readonly request: PoolJoinRequest;
  /** To begin with. */
  readonly places: readonly Endpoint[];
  /** Of the LAN; undefined: only `places`. */
  readonly beaconPort: number | undefined;
  readonly waitMs: number;
  onWords(words: string): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Place {
  readonly endpoint: Endpoint;
  /** Monotonic: not before. */
  nextMs: number;
  failure: MeshError | undefined;
}

type Joined = Extract<PoolAnswer, { state: "joined" }>;

/** Another place, or another moment, may do better. */
const PASSING: readonly string[] = [
  ...["MESH_UNREACHABLE", "MESH_TIMEOUT", "MESH_PROTOCOL", "MESH_STOPPING", "MESH_LIMIT"],
  ...["MESH_PIN_MISMATCH", "MESH_CERT_UNTRUSTED", "MESH_CERT_INVALID", "MESH_STORE_BUSY"],
  ...["MESH_NOT_LEADER", "MESH_STORE_UNAVAILABLE"],
];

export class AdminSearch {
  readonly #options: AdminSearchOptions;
  readonly #places = new Map<string, Place>();
  readonly #startedMs: number;
  #wake: () => void = () => undefined;
  readonly #ownWords: string;
  /** Told already. */
  #words: string | undefined;

  constructor(options: AdminSearchOptions) {
    this.#options = options;
    this.#ownWords = wordsOfNode(options.keyPair.nodeId);
    this.#startedMs = options.clock.monotonicMs();
    this.#add(options.places);
  }

  /** See `joinPool` for the errors. */
  async run(signal: AbortSignal): Promise<Joined> {
    const { beaconPort } = this.#options;
    const calls =
      beaconPort === undefined
        ? undefined
        : new NewcomerCalls({
            ...this.#options,
            port: beaconPort,
            onPlaces: (places) => this.#add(places),
          });
    // The timers of the clock do not keep a process alive.
    const alive = setInterval(() => undefined, 2 ** 30);
    try {
      await calls?.start();
      return await this.#loop(signal, () => calls?.reason);
    } finally {
      clearInterval(alive);
      calls?.stop();
    }
  }

  async #loop(signal: AbortSignal, lanReason: () => string | undefined): Promise<Joined> {
    for (;;) {
      signal.throwIfAborted();
      const leftMs = this.#leftMs();
      if (leftMs <= 0) throw this.#tooLate(lanReason());
      const place = this.#next();
      if (place === undefined) {
        await this.#sleep(Math.min(leftMs, PLACE_PAUSE_MS), signal);
        continue;
      }
      const answer = await this.#ask(place, leftMs, signal);
      if (answer?.state === "joined") return answer;
    }
  }

  async #ask(place: Place, leftMs: number, signal: AbortSignal): Promise<PoolAnswer | undefined> {
    const { root, keyPair, request, clock } = this.#options;
    // The first question comes back at once: it brings the words for this screen.
    const waitMs = this.#words === undefined ? 0 : Math.ceil(Math.min(leftMs, JOIN_WAIT_MS_MAX));
    const others = [...this.#places.values()].map(({ endpoint }) => endpoint);
    const askedMs = clock.monotonicMs();
    try {
      const answer = await askToJoinPool({
        endpoint: place.endpoint,
        root,
        request: { ...request, waitMs },
        keyPair,
        otherEndpoints: others,
        clock,
        signal,
      });
      // Words stand for the key of this machine: who tells others shows the admin another key.
      if (answer.words !== this.#ownWords) throw otherWords(place.endpoint);
      place.failure = undefined;
      if (answer.state === "waiting") this.#tellWords();
      // An admin with too many on the line answers at once: it is not to be pestered.
      const wasShort = clock.monotonicMs() - askedMs < Math.min(waitMs, PLACE_PAUSE_MS);
      if (wasShort) place.nextMs = clock.monotonicMs() + PLACE_PAUSE_MS;
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (!isMeshError(error) || !PASSING.includes(error.code)) throw error;
      place.failure = error;
      const pauseMs = error.code === "MESH_LIMIT" ? PLACE_BUSY_PAUSE_MS : PLACE_PAUSE_MS;
      place.nextMs = clock.monotonicMs() + pauseMs;
      return undefined;
    }
  }

  #tellWords(): void {
    if (this.#words === undefined) this.#options.onWords(this.#ownWords);
    this.#words = this.#ownWords;
  }

  #add(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints) {
      const key = formatEndpoint(endpoint);
      if (this.#places.has(key) || !this.#hasRoom()) continue;
      this.#places.set(key, { endpoint, nextMs: 0, failure: undefined });
      this.#wake();
    }
  }

  /** A place that failed makes room for another: places that are made up keep nobody out. */
  #hasRoom(): boolean {
    if (this.#places.size < CALL_PLACES_MAX) return true;
    const failed = [...this.#places].find(([, { failure }]) => failure !== undefined);
    return failed !== undefined && this.#places.delete(failed[0]);
  }

  /** One that answered, else one that was not tried, else the one that failed longest ago. */
  #next(): Place | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const due = [...this.#places.values()].filter(({ nextMs }) => nextMs <= nowMs);
    const first = due.find(({ failure }) => failure === undefined);
    return first ?? due.sort((a, b) => a.nextMs - b.nextMs)[0];
  }

  #leftMs(): number {
    const { waitMs, clock } = this.#options;
    return this.#startedMs + waitMs - clock.monotonicMs();
  }

  #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const done = () => {
        timer?.cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#wake = done;
      timer = this.#options.clock.setTimeout(done, delayMs);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #tooLate(lanReason: string | undefined): MeshError {
    if (this.#words !== undefined) {
      return new MeshError("MESH_POOL_PENDING", {
        message: "the admin of the pool has not decided yet",
        hint:
          `On its machine: \`mesh pool approve ${this.#words}\`. Then run this command again ` +
          "within ten minutes; the words stay the same.",
      });
    }
    const failures = [...this.#places.values()].flatMap(({ failure }) => failure ?? []);
    const distrust = failures.find(({ code }) => code === "MESH_PIN_MISMATCH");
    if (distrust !== undefined) return distrust;
    const [only] = failures;
    if (only !== undefined && failures.length === 1) return only;
    const reasons = failures.map(({ message }) => message).join("; ");
    if (failures.length > 0) {
      return new MeshError("MESH_UNREACHABLE", {
        message: `the admin of the pool cannot be reached (${reasons})`,
      });
    }
    return new MeshError("MESH_UNREACHABLE", {
      message: `no admin of this pool answered on the LAN${lanReason ? ` (${lanReason})` : ""}`,
      hint:
        "Is its node running, and in the same network? Where multicast (UDP 42424) does not get " +
        "through, name its address: --peer host:9001.",
    });
  }
}

function otherWords(endpoint: Endpoint): MeshError {
  return new MeshError("MESH_PIN_MISMATCH", {
    message: `${formatEndpoint(endpoint)} tells words of another key than this machine's`,
    hint: "Somebody may stand between this machine and the admin: approve nobody by name.",
  });
}
