/**
 * Pools on a node: keeps what was agreed on the disk, compares it with the other members over their
 * links, says this node's own share, and tells other parts what the ring is.
 *
 * Whom it speaks to: members of the same pools and coordinators, over links that are open anyway;
 * when something changes, when a link opens, and every `EXCHANGE_INTERVAL_MS`. Nothing of it goes
 * over HTTP. On a coordinator the rosters come from the authority's records.
 */
import type { Authority } from "@hearthmesh/collective";
import {
  errorFields,
  MeshError,
  type NodeId,
  parseNodeId,
  type Startable,
  sleep,
  type Timer,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { MeshLinks, PeerDirectory, SwimRuntime } from "@hearthmesh/membership";
import {
  type AgreementDigest,
  CAPACITY_MAX,
  type PoolDirectory,
  type PoolView,
  STATEMENT_ENDPOINTS_MAX,
  type StatementSigner,
} from "@hearthmesh/pool/membership";
import type { IncomingRequest, Link } from "@hearthmesh/qwormhole";
import { isMachine, type MethodPart, principalOf } from "../method-router.js";
import type { Tools } from "../tools.js";
import {
  EXCHANGE_INTERVAL_MS,
  EXCHANGE_PAUSE_MS,
  EXCHANGE_TIMEOUT_MS,
  VIEW_DELAY_MS,
} from "./limits.js";
import { PoolBook, type PoolCaller } from "./pool-book.js";
import { PoolDisk } from "./pool-disk.js";
import { decodeExchange, EXCHANGE_METHOD, encodeExchange } from "./pool-messages.js";
import { PoolViews } from "./pool-views.js";

export interface PoolPartOptions extends Tools {
  readonly home: string;
  readonly self: NodeId;
  /** Of the member's CA, as text. */
  readonly root: string;
  readonly signer: StatementSigner;
  /** Share of this node to begin with: a whole number from 1. */
  readonly capacity: number;
  /** Where the links of this node are, best first. */
  addresses(): readonly string[];
  readonly links: Pick<MeshLinks, "openLinks" | "onLink">;
  readonly swim: PeerDirectory & Pick<SwimRuntime, "onChange">;
  /** On a coordinator. */
  readonly authority: Pick<Authority, "pools"> | undefined;
}

export class PoolPart implements Startable, PoolDirectory {
  readonly name = "pools";
  readonly #options: PoolPartOptions;
  readonly #book: PoolBook;
  readonly #views: PoolViews;
  readonly #disk: PoolDisk;
  readonly #listeners = new Set<() => void>();
  /** What the other end of a link held when it was last heard. */
  readonly #heard = new WeakMap<Link, readonly AgreementDigest[]>();
  /** Links with an exchange under way; true when another one is wanted after it. */
  readonly #exchanging = new WeakMap<Link, boolean>();
  #unsubscribe: (() => void)[] = [];
  #capacity: number;
  /** Undefined before the first look: then all is written. */
  #shown: string | undefined;
  #regular: Timer | undefined;
  #viewing: Timer | undefined;
  #isRunning = false;

  constructor(options: PoolPartOptions) {
    this.#options = options;
    const { self, root, signer, authority, home, swim, links, clock, log } = options;
    this.#capacity = options.capacity;
    this.#book = new PoolBook({ self, root, signer, isAuthority: authority !== undefined });
    const ownAddresses = () => options.addresses();
    this.#views = new PoolViews({ self, ownAddresses, peers: swim, links, clock });
    this.#disk = new PoolDisk({ home, log: log.child({ part: "pools" }) });
  }

  pools(): readonly PoolView[] {
    return this.#book.all().flatMap((agreement) => {
      const isShown =
        this.#options.authority !== undefined || agreement.isMember(this.#options.self);
      return isShown ? (this.#views.viewOf(agreement) ?? []) : [];
    });
  }

  /** By id or name. */
  pool(poolId: string): PoolView {
    const all = this.pools();
    const found =
      all.find((one) => one.poolId === poolId) ?? all.find((one) => one.name === poolId);
    if (found === undefined) throw new MeshError("MESH_POOL_UNKNOWN");
    return found;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The share of this node in all its pools from now on; the others hear it at once. */
  setCapacity(capacity: number): void {
    if (!Number.isSafeInteger(capacity) || capacity < 1 || capacity > CAPACITY_MAX) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `a capacity is a whole number from 1 to ${CAPACITY_MAX}`,
      });
    }
    if (capacity === this.#capacity) return;
    this.#capacity = capacity;
    if (this.#isRunning) this.#speak([]);
  }

  methods(): MethodPart[] {
    const onRequest = (request: IncomingRequest) => this.#answer(request);
    return [{ prefixes: ["pool."], callers: "machines", handlers: { onRequest } }];
  }

  async start(): Promise<void> {
    const { authority, links, swim } = this.#options;
    const onDisk = await this.#disk.read();
    for (const { roster, statements } of onDisk) {
      if (authority === undefined) this.#book.offerRoster(roster);
      else await this.#adopt(authority, roster);
      const poolId = String((roster as { poolId?: unknown } | undefined)?.poolId);
      for (const statement of statements) this.#book.offerStatement(poolId, statement);
    }
    for (const roster of authority?.pools.list() ?? []) this.#book.offerRoster(roster);
    this.#isRunning = true;
    this.#unsubscribe = [
      links.onLink(({ link }, isOpen) => this.#onLink(link, isOpen)),
      swim.onChange(() => this.#lookSoon()),
      ...(authority === undefined
        ? []
        : [
            authority.pools.onChange((roster) => {
              if (this.#book.offerRoster(roster)) this.#speak([roster.poolId]);
            }),
          ]),
    ];
    this.#speak(this.#book.all().map(({ poolId }) => poolId));
    for (const { link } of links.openLinks()) this.#onLink(link, true);
    this.#later();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#regular?.cancel();
    this.#viewing?.cancel();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    await this.#disk.settled();
  }

  /** A roster on the disk that is newer than the records, which went back to a backup. */
  async #adopt({ pools }: Pick<Authority, "pools">, roster: unknown): Promise<void> {
    try {
      const isNewer = await pools.adopt(roster);
      if (isNewer) this.#options.log.warn("a pool is as its members know it, not as the records");
    } catch (error) {
      this.#options.log.warn("a file of a pool is not the member's own", errorFields(error));
    }
  }

  /** After a change: own word, disk, views and the other members. */
  #speak(changed: readonly string[]): void {
    const { addresses } = this.#options;
    const endpoints = addresses().slice(0, STATEMENT_ENDPOINTS_MAX);
    const said = this.#book.say({ capacity: this.#capacity, endpoints });
    const ids = said ? this.#book.all().map(({ poolId }) => poolId) : changed;
    for (const poolId of ids) {
      const agreement = this.#book.get(poolId);
      if (agreement !== undefined) this.#disk.keep(agreement);
    }
    if (ids.length === 0) return;
    this.#lookSoon();
    this.#exchangeWithAll();
  }

  #later(): void {
    const { clock, random } = this.#options;
    this.#regular?.cancel();
    const delayMs = EXCHANGE_INTERVAL_MS * (0.8 + 0.4 * random.float());
    this.#regular = clock.setTimeout(() => {
      if (!this.#isRunning) return;
      this.#later();
      // Addresses of this machine may be others than before.
      this.#speak([]);
      this.#exchangeWithAll();
      this.#lookSoon();
    }, delayMs);
  }

  #onLink(link: Link, isOpen: boolean): void {
    this.#lookSoon();
    if (isOpen && this.#isRunning) this.#exchange(link);
  }

  #exchangeWithAll(): void {
    for (const { link } of this.#options.links.openLinks()) this.#exchange(link);
  }

  /** One at a time over a link: what changes meanwhile goes out together with the next. */
  #exchange(link: Link): void {
    const caller = callerOf(link);
    if (caller === undefined || !this.#book.isPartner(caller)) return;
    const isUnderWay = this.#exchanging.has(link);
    this.#exchanging.set(link, isUnderWay);
    if (isUnderWay) return;
    const { clock, log } = this.#options;
    this.#exchangeOver(link, caller)
      .catch((error: unknown) => {
        const { nodeId } = caller;
        log.debug("pools were not compared", { nodeId, ...errorFields(error) });
      })
      .then(() => sleep(clock, EXCHANGE_PAUSE_MS))
      .then(() => {
        const isWanted = this.#exchanging.get(link) === true;
        this.#exchanging.delete(link);
        if (isWanted && this.#isRunning && link.isOpen) this.#exchange(link);
      });
  }

  async #exchangeOver(link: Link, caller: PoolCaller): Promise<void> {
    const before = this.#heard.get(link);
    const answer = await this.#ask(link, caller, before);
    const news = this.#book.newsFor(caller, answer);
    // What it said it holds is older than what it has just been told.
    if (news.length > 0 && (before === undefined || !sameDigests(before, answer))) {
      await this.#ask(link, caller, answer);
    }
  }

  /** Answers with what the other end holds. */
  async #ask(
    link: Link,
    caller: PoolCaller,
    known: readonly AgreementDigest[] | undefined,
  ): Promise<readonly AgreementDigest[]> {
    const news = known === undefined ? [] : this.#book.newsFor(caller, known);
    const message = encodeExchange(this.#book.digestsFor(caller), news);
    const options = { priority: "gossip" as const, timeoutMs: EXCHANGE_TIMEOUT_MS };
    const answer = decodeExchange(await link.request(EXCHANGE_METHOD, message, options));
    this.#heard.set(link, answer.digests);
    this.#views.saw(caller.nodeId);
    this.#take(answer.news, caller);
    return answer.digests;
  }

  async #answer({ method, body, peer }: IncomingRequest): Promise<Uint8Array[]> {
    if (method !== EXCHANGE_METHOD || !this.#isRunning) {
      throw new MeshError(this.#isRunning ? "MESH_FORBIDDEN" : "MESH_STOPPING");
    }
    const principal = principalOf(peer);
    const caller = { nodeId: principal.nodeId, isCoordinator: principal.kind === "coordinator" };
    const { digests, news } = decodeExchange(body);
    this.#views.saw(caller.nodeId);
    this.#take(news, caller);
    return encodeExchange(this.#book.digestsFor(caller), this.#book.newsFor(caller, digests));
  }

  #take(news: Parameters<PoolBook["take"]>[0], caller: PoolCaller): void {
    const { authority } = this.#options;
    const changed = this.#book.take(news, caller);
    for (const poolId of authority === undefined ? [] : changed) {
      const roster = this.#book.get(poolId)?.roster;
      const recorded = authority?.pools.list().find((one) => one.poolId === poolId);
      const isNewer = (roster?.version ?? 0) > (recorded?.version ?? 0);
      if (authority !== undefined && isNewer) void this.#adopt(authority, roster);
    }
    // Own word too: a statement of this node that came back newer is answered by a newer one.
    if (changed.length > 0) this.#speak(changed);
  }

  /** Views are made anew a moment later, once for all that changes together. */
  #lookSoon(): void {
    if (this.#viewing !== undefined || !this.#isRunning) return;
    this.#viewing = this.#options.clock.setTimeout(() => {
      this.#viewing = undefined;
      if (this.#isRunning) this.#look();
    }, VIEW_DELAY_MS);
  }

  #look(): void {
    this.#views.look(this.#book.all());
    const pools = this.pools();
    const shown = JSON.stringify(pools, (key, value) => (key === "lastSeenMs" ? undefined : value));
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#disk.show(pools);
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#options.log.error("a listener for pools failed", errorFields(error));
      }
    }
  }
}

/** Undefined for one that is no machine of this member. */
function callerOf(link: Link): PoolCaller | undefined {
  const principal = link.peer.identity as Principal;
  if (!isMachine(principal)) return undefined;
  const nodeId = parseNodeId(link.peer.nodeId);
  return { nodeId, isCoordinator: principal.kind === "coordinator" };
}

function sameDigests(a: readonly AgreementDigest[], b: readonly AgreementDigest[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
