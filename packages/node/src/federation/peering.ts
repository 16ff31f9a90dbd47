/**
 * Speaks to the other members: takes their codes, exchanges bundles with them, and tells them when
 * the peering is over. The coordinator that leads does so every few minutes, and at once when the
 * own bundle has changed: a key that was revoked here is then refused there within seconds.
 *
 * One exchange serves both sides: the bundle that is handed over is taken like one that was
 * fetched, so it is enough that one of two members can reach the other.
 */
import { exchangeBundles, redeemPeering, sayFarewell } from "@hearthmesh/client";
import type { Actor, FarewellRecord, PeerBook, PeerRecord } from "@hearthmesh/collective";
import {
  type ErrorCode,
  errorFields,
  isMeshError,
  limits,
  MeshError,
  type Startable,
  sleep,
  type TrustDomain,
} from "@hearthmesh/core";
import type { PeerExchange, PeeringService } from "@hearthmesh/gateway";
import { parsePeering, type SignedTrustBundle } from "@hearthmesh/identity";
import type { CredentialHolder } from "../credential-holder.js";
import type { Tools } from "../tools.js";

const EXCHANGE_EVERY_MS = 300_000;
/** After a failure: twice as long after each, up to `EXCHANGE_EVERY_MS`. */
const AGAIN_MS = 2_000;
/** How often it is looked whether the own bundle has changed. */
const LOOK_EVERY_MS = 15_000;
const REST_MS_MIN = 500;
/** Peers that are spoken to at once. */
const AT_ONCE_MAX = 8;
/** For one peer, whatever addresses it names: others wait meanwhile. */
const EXCHANGE_MS_MAX = 30_000;
/** How long a removal waits for the peer to answer. */
const FAREWELL_WAIT_MS = 5_000;
/** What a peer says that does not know this member (any longer). */
const REFUSALS: readonly ErrorCode[] = [
  "MESH_CERT_UNTRUSTED",
  "MESH_CERT_REVOKED",
  "MESH_UNAUTHENTICATED",
  "MESH_FORBIDDEN",
  "MESH_PEER_UNKNOWN",
];

export interface PeeringOptions extends Tools {
  readonly peers: PeerBook;
  readonly credentials: CredentialHolder;
  /** Whether this coordinator leads: the others only do what they are asked. */
  leads(): boolean;
  /** How other members are spoken to. Default: by their doors. */
  readonly speech?: PeerSpeech;
}

export interface PeerSpeech {
  readonly redeem: typeof redeemPeering;
  readonly exchange: typeof exchangeBundles;
  readonly farewell: typeof sayFarewell;
}

const BY_DOORS: PeerSpeech = {
  redeem: redeemPeering,
  exchange: exchangeBundles,
  farewell: sayFarewell,
};

/** When a peer is spoken to next. */
interface Turn {
  readonly dueMs: number;
  /** In a row. */
  readonly failures: number;
  /** Of the bundle that it got last. */
  readonly sequence: number;
}

export class Peering implements PeeringService, Startable {
  readonly name = "peering";
  readonly #options: PeeringOptions;
  readonly #speech: PeerSpeech;
  readonly #exchanges = new Map<TrustDomain, PeerExchange>();
  readonly #turns = new Map<TrustDomain, Turn>();
  readonly #farewells = new Map<TrustDomain, Turn>();
  readonly #stopping = new AbortController();
  #resting = new AbortController();
  #loop: Promise<void> | undefined;
  #stopFollowing: () => void = () => undefined;

  constructor(options: PeeringOptions) {
    this.#options = options;
    this.#speech = options.speech ?? BY_DOORS;
  }

  async start(): Promise<void> {
    this.#stopFollowing = this.#options.peers.onChange(({ trustDomain, after }) => {
      if (after !== undefined) return;
      this.#exchanges.delete(trustDomain);
      this.#turns.delete(trustDomain);
    });
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopFollowing();
    this.#stopping.abort(new MeshError("MESH_STOPPING"));
    this.#resting.abort();
    await this.#loop;
  }

  /** Something that peers should know has changed. */
  tellSoon(): void {
    this.#resting.abort();
  }

  async accept(
    by: Actor,
    request: { code: string; alias: string | undefined; signal: AbortSignal },
  ): Promise<PeerRecord> {
    const { peers, clock } = this.#options;
    const { alias, signal } = request;
    const code = parsePeering(request.code);
    const redemption = await peers.redemptionOf(code, alias);
    const bundle = await this.#speech.redeem(code, redemption, { clock, signal });
    const peer = await peers.accept(by, code, { bundle, alias });
    this.heardFrom(peer);
    return peer;
  }

  async refresh(peer: PeerRecord): Promise<PeerRecord> {
    const own = await this.#options.peers.ownBundle();
    await this.#exchange(peer, own);
    return this.#options.peers.find(peer.trustDomain);
  }

  async remove(by: Actor, name: string): Promise<{ peer: PeerRecord; told: boolean }> {
    const { peers } = this.#options;
    const peer = await peers.remove(by, name);
    const farewell = peers.farewells().find((one) => one.trustDomain === peer.trustDomain);
    if (farewell === undefined) return { peer, told: true };
    const told = await this.#tellEnd(farewell, FAREWELL_WAIT_MS);
    if (!told) this.tellSoon();
    return { peer, told };
  }

  exchangeWith({ trustDomain }: PeerRecord): PeerExchange {
    return this.#exchanges.get(trustDomain) ?? { state: "unknown" };
  }

  heardFrom({ trustDomain }: PeerRecord): void {
    this.#exchanges.set(trustDomain, { state: "ok", lastOkMs: this.#options.clock.nowMs() });
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#resting = new AbortController();
      try {
        if (this.#options.leads()) await this.#doWhatIsDue();
        else this.#forgetTurns();
      } catch (error) {
        log.warn("the peers could not be told what is new", errorFields(error));
      }
      if (signal.aborted) return;
      await sleep(clock, this.#restMs(), this.#resting.signal).catch(() => undefined);
    }
  }

  async #doWhatIsDue(): Promise<void> {
    const { peers, clock } = this.#options;
    const all = peers.list();
    if (all.length > 0) {
      const own = await peers.ownBundle();
      const due = all.filter((peer) => this.#isDue(peer, own));
      await atOnce(due, (peer) => this.#exchange(peer, own).catch(() => undefined));
    }
    const nowMs = clock.monotonicMs();
    const farewells = peers
      .farewells()
      .filter(({ trustDomain }) => (this.#farewells.get(trustDomain)?.dueMs ?? 0) <= nowMs);
    await atOnce(farewells, (farewell) => this.#tellEnd(farewell, EXCHANGE_MS_MAX));
  }

  /** Another coordinator has them now; this one begins anew should it lead again. */
  #forgetTurns(): void {
    this.#turns.clear();
    this.#farewells.clear();
  }

  /** Until something is due. */
  #restMs(): number {
    const nowMs = this.#options.clock.monotonicMs();
    const dueMs = [...this.#turns.values(), ...this.#farewells.values()].map((turn) => turn.dueMs);
    return Math.max(REST_MS_MIN, Math.min(LOOK_EVERY_MS, ...dueMs.map((due) => due - nowMs)));
  }

  /** The turn after this one, which failed. */
  #again(before: Turn | undefined, sequence: number): Turn {
    const { clock, random } = this.#options;
    const failures = (before?.failures ?? 0) + 1;
    const longest = Math.min(EXCHANGE_EVERY_MS, AGAIN_MS * 2 ** Math.min(failures - 1, 16));
    const dueMs = clock.monotonicMs() + longest * (0.75 + 0.25 * random.float());
    return { dueMs, failures, sequence };
  }

  #isDue({ trustDomain }: PeerRecord, { sequence }: SignedTrustBundle): boolean {
    const turn = this.#turns.get(trustDomain);
    if (turn === undefined || turn.sequence !== sequence) return true;
    return this.#options.clock.monotonicMs() >= turn.dueMs;
  }

  /** Throws what went wrong, after it was noted. */
  async #exchange(peer: PeerRecord, own: SignedTrustBundle): Promise<void> {
    const { peers, credentials, clock, random, log } = this.#options;
    const { trustDomain } = peer;
    const before = this.exchangeWith(peer);
    try {
      const bundle = await this.#within(EXCHANGE_MS_MAX, (signal) =>
        this.#speech.exchange(peer, own, { credentials: credentials.current, clock, signal }),
      );
      await peers.refresh(trustDomain, bundle);
      const delayMs = EXCHANGE_EVERY_MS * (0.8 + 0.4 * random.float());
      const dueMs = clock.monotonicMs() + delayMs;
      this.#turns.set(trustDomain, { dueMs, failures: 0, sequence: own.sequence });
      this.heardFrom(peer);
    } catch (error) {
      this.#stopping.signal.throwIfAborted();
      this.#turns.set(trustDomain, this.#again(this.#turns.get(trustDomain), own.sequence));
      const state = isRefusal(error) ? "refused" : "unreachable";
      const reason = error instanceof Error ? error.message : String(error);
      const { lastOkMs } = before;
      const last = lastOkMs === undefined ? {} : { lastOkMs };
      if (peers.get(trustDomain) === undefined) this.#turns.delete(trustDomain);
      else this.#exchanges.set(trustDomain, { state, reason, ...last });
      if (before.state !== state) {
        log.warn("a peer did not exchange bundles", { trustDomain, ...errorFields(error) });
      }
      throw error;
    }
  }

  /** `MESH_TIMEOUT` when it takes longer. */
  async #within<T>(limitMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = new AbortController();
    const timer = this.#options.clock.setTimeout(() => {
      const message = `no answer came within ${limitMs / 1000} s`;
      limit.abort(new MeshError("MESH_TIMEOUT", { message }));
    }, limitMs);
    try {
      return await work(AbortSignal.any([limit.signal, this.#stopping.signal]));
    } catch (error) {
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      timer.cancel();
    }
  }

  /** Whether the peer knows now, or need not be told any longer. */
  async #tellEnd(farewell: FarewellRecord, limitMs: number): Promise<boolean> {
    const { peers, credentials, clock, log } = this.#options;
    const { trustDomain, removedAtMs } = farewell;
    const isOver = clock.nowMs() > removedAtMs + limits.PEER_BUNDLE_VALIDITY_MS;
    try {
      if (!isOver) {
        await this.#within(limitMs, (signal) =>
          this.#speech.farewell(farewell, { credentials: credentials.current, clock, signal }),
        );
      }
    } catch (error) {
      if (!isRefusal(error)) {
        this.#farewells.set(trustDomain, this.#again(this.#farewells.get(trustDomain), 0));
        log.debug("a removed peer was not told yet", { trustDomain, ...errorFields(error) });
        return false;
      }
    }
    await peers.forgetFarewell(trustDomain);
    this.#farewells.delete(trustDomain);
    return true;
  }
}

function isRefusal(error: unknown): boolean {
  return isMeshError(error) && REFUSALS.includes(error.code);
}

async function atOnce<T>(all: readonly T[], run: (one: T) => Promise<unknown>): Promise<void> {
  const left = [...all];
  const oneByOne = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await run(next);
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, oneByOne));
}
