/**
 * Sends and hears beacons: one every `BEACON_INTERVAL_MS` with jitter, a few at the start and
 * after a change of the network, one soon after a node was heard that was silent before, so that
 * it need not wait for our next one, and one on leaving.
 */
import { type Clock, errorFields, type Logger, type Random, type Timer } from "@hearthmesh/core";
import { type Beacon, BeaconCodec, type BeaconRefusal, beaconAddresses } from "./beacon-codec.js";
import type { BeaconDoor } from "./beacon-door.js";
import { type BeaconNovelty, BeaconReplayTable } from "./beacon-replay.js";
import {
  BEACON_ANSWER_DELAY_MS_MAX,
  BEACON_ANSWER_INTERVAL_MS,
  BEACON_BURST_MS,
  BEACON_GOODBYE_MS_MAX,
  BEACON_INTERVAL_MS,
  BEACON_NEWCOMER_SILENCE_MS,
  BEACON_SENDERS_MAX,
} from "./limits.js";
import type { MeshSecret } from "./mesh-secret.js";

/** What this node says in its beacons. */
export interface BeaconSelf {
  readonly nodeId: Beacon["nodeId"];
  /** SPKI, DER; P-256. */
  readonly publicKey: Uint8Array;
  readonly boot: number;
  readonly udpPort: number;
  readonly linkPort: number;
  /** Extra `host:port`, at most 4 of at most 64 characters; the rest is left out. */
  linkAddresses?(): readonly string[];
  /** 64 bytes, IEEE P1363. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** A beacon of another node; only a fresh one is its word of now. */
export interface HeardBeacon {
  readonly beacon: Beacon;
  readonly isFresh: boolean;
  /** Where it came from. */
  readonly host: string;
}

/** What came in, by what became of it, and what went out. */
export type BeaconCounts = Record<
  BeaconNovelty | BeaconRefusal | "own" | "sealed" | "sent",
  number
>;

export interface LanBeaconsOptions {
  self: BeaconSelf;
  secret(): MeshSecret | undefined;
  /** Made by the caller, with `onDatagram` leading to `receive`. */
  door: Pick<BeaconDoor, "start" | "stop" | "send" | "refresh">;
  clock: Clock;
  random: Random;
  log: Logger;
  onHeard(heard: HeardBeacon): void;
}

export class LanBeacons {
  readonly #options: LanBeaconsOptions;
  readonly #codec: BeaconCodec;
  readonly #replays = new BeaconReplayTable();
  /** When each sender was last heard; the one that was silent the longest comes first. */
  readonly #heardMs = new Map<string, number>();
  readonly counts: BeaconCounts = {
    fresh: 0,
    hint: 0,
    repeated: 0,
    replayed: 0,
    foreign: 0,
    forged: 0,
    malformed: 0,
    own: 0,
    sealed: 0,
    sent: 0,
  };
  #sequence = 0;
  #burst: readonly Timer[] = [];
  #regular: Timer | undefined;
  #answer: Timer | undefined;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #isRunning = false;
  #lastHeardMs: number | undefined;
  #reason: string | undefined;

  constructor(options: LanBeaconsOptions) {
    this.#options = options;
    this.#codec = new BeaconCodec(options.random);
  }

  /** Monotonic; undefined until another node of the mesh was heard. */
  get lastHeardMs(): number | undefined {
    return this.#lastHeardMs;
  }

  /** Why no beacon goes out, apart from the door. */
  get reason(): string | undefined {
    return this.#options.secret() === undefined
      ? "this node has no mesh secret yet; it gets it over its first link to the mesh"
      : this.#reason;
  }

  async start(): Promise<void> {
    this.#isRunning = true;
    await this.#options.door.start();
    if (!this.#isRunning) return;
    this.burst();
    this.#sendRegularly();
  }

  /** Says goodbye, for `BEACON_GOODBYE_MS_MAX` at most. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#regular?.cancel();
    this.#answer?.cancel();
    for (const timer of this.#burst) timer.cancel();
    let timer: Timer | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = this.#options.clock.setTimeout(resolve, BEACON_GOODBYE_MS_MAX);
    });
    await Promise.race([this.#send(true), enough]);
    timer?.cancel();
    this.#options.door.stop();
  }

  /** A few beacons within a second: something is new here. */
  burst(): void {
    if (!this.#isRunning) return;
    for (const timer of this.#burst) timer.cancel();
    this.#burst = BEACON_BURST_MS.map((delayMs) => {
      const jitterMs = delayMs * 0.25 * this.#options.random.float();
      return this.#options.clock.setTimeout(() => void this.#send(false), delayMs - jitterMs);
    });
  }

  /** Looks at the interfaces again, then sends. */
  async networkChanged(): Promise<void> {
    if (!this.#isRunning) return;
    await this.#options.door.refresh();
    this.burst();
  }

  /** A datagram that came in. Never throws. */
  receive(bytes: Uint8Array, from: { host: string }): void {
    const secret = this.#options.secret();
    if (secret === undefined || !this.#isRunning) return;
    const { clock, self } = this.#options;
    const opened = this.#codec.open(bytes, secret, clock.nowMs(), (claim) =>
      claim.nodeId === self.nodeId ? "own" : this.#replays.drops(claim),
    );
    if (opened.beacon === undefined) {
      this.counts[opened.refusal] += 1;
      return;
    }
    const { beacon } = opened;
    const nowMs = clock.monotonicMs();
    const novelty = this.#replays.admit(beacon, nowMs);
    this.counts[novelty] += 1;
    if (novelty === "repeated" || novelty === "replayed") return;
    const isFresh = novelty === "fresh";
    // A farewell of somebody who was not heard before may be a recording; it changes nothing.
    const wasHeard = this.#heardMs.has(beacon.nodeId);
    if (isFresh) this.#noteHeard(beacon, nowMs);
    if (beacon.isLeaving && !(isFresh && wasHeard)) return;
    this.#options.onHeard({ beacon, isFresh, host: from.host });
  }

  #noteHeard({ nodeId, isLeaving }: Beacon, nowMs: number): void {
    this.#lastHeardMs = nowMs;
    const before = this.#heardMs.get(nodeId);
    this.#heardMs.delete(nodeId);
    if (isLeaving) return;
    this.#heardMs.set(nodeId, nowMs);
    if (this.#heardMs.size > BEACON_SENDERS_MAX) {
      const [oldest] = this.#heardMs.keys();
      if (oldest !== undefined) this.#heardMs.delete(oldest);
    }
    if (before === undefined || nowMs - before > BEACON_NEWCOMER_SILENCE_MS) this.#answerSoon();
  }

  #answerSoon(): void {
    if (this.#answer !== undefined) return;
    const { clock, random } = this.#options;
    const restMs = this.#answeredMs + BEACON_ANSWER_INTERVAL_MS - clock.monotonicMs();
    const delayMs = Math.max(restMs, 0) + random.float() * BEACON_ANSWER_DELAY_MS_MAX;
    this.#answer = clock.setTimeout(() => {
      this.#answer = undefined;
      this.#answeredMs = clock.monotonicMs();
      void this.#send(false);
    }, delayMs);
  }

  #sendRegularly(): void {
    const { clock, random } = this.#options;
    const delayMs = BEACON_INTERVAL_MS * (0.8 + 0.4 * random.float());
    this.#regular = clock.setTimeout(() => {
      if (!this.#isRunning) return;
      this.#sendRegularly();
      void this.#send(false);
    }, delayMs);
  }

  /** Never rejects. */
  async #send(isLeaving: boolean): Promise<void> {
    const secret = this.#options.secret();
    if (secret === undefined) return;
    try {
      const bytes = this.#seal(secret, isLeaving);
      this.counts.sealed += 1;
      await this.#options.door.send(bytes);
      this.counts.sent += 1;
      this.#reason = undefined;
    } catch (error) {
      this.#reason = "a beacon cannot be made; the log says why";
      this.#options.log.debug("a beacon cannot be made", errorFields(error));
    }
  }

  #seal(secret: MeshSecret, isLeaving: boolean): Uint8Array {
    const { self, clock } = this.#options;
    this.#sequence += 1;
    return this.#codec.seal(
      {
        publicKey: self.publicKey,
        boot: self.boot,
        sequence: this.#sequence,
        udpPort: self.udpPort,
        linkPort: self.linkPort,
        linkAddresses: beaconAddresses(self.linkAddresses?.() ?? []),
        isLeaving,
      },
      secret,
      (bytes) => self.sign(bytes),
      clock.nowMs(),
    );
  }
}
