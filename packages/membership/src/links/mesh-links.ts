/**
 * The links of a node by the id of the peer, and how to get one: an open link, else the addresses
 * of its record, else relays. `LinkChoice` decides which link is used; this part dials, listens to
 * what closes, and retires what is not needed any more.
 *
 * A link that is retired takes no new work (GOAWAY) and ends when both ends have nothing under way.
 * Where only a relayed link is, a direct one is tried again and again, in growing pauses.
 */
import {
  type Clock,
  type Logger,
  MeshError,
  type NodeId,
  parseNodeId,
  type Random,
  sleep,
  type Timer,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { raceAddresses } from "../discovery/address-race.js";
import { describeFailure } from "../discovery/dial-failure.js";
import type {
  LinkDialer,
  LinkPath,
  MeshLinks,
  OpenLink,
  PeerDirectory,
  RouteDirectory,
} from "../ports.js";
import { RELAY_HOPS_MAX } from "../relay/limits.js";
import { dialThroughRelays } from "../relay/relay-dial.js";
import {
  DIRECT_HEAD_START_MS,
  LINK_ADDRESSES_MAX,
  LINK_ATTEMPTS_MAX,
  RELAY_DIAL_MS_MAX,
  RELAY_PATHS_MAX,
  RETIRE_AFTER_MS,
  RETIRE_DRAIN_MS_MAX,
  UPGRADE_PAUSE_MS,
  UPGRADE_PAUSE_MS_MAX,
} from "./limits.js";
import { type LinkChanges, LinkChoice, type LinkOrigin } from "./link-choice.js";
import { LinkFailures, type WayFailure } from "./link-failures.js";
import { SingleFlight } from "./single-flight.js";

export interface MeshLinkTableOptions {
  readonly self: NodeId;
  readonly dialer: LinkDialer;
  readonly peers: Pick<PeerDirectory, "peer">;
  readonly routes: Pick<RouteDirectory, "pathsTo">;
  /** Relays to try where no route is known: hubs with an open link. */
  relayCandidates(): readonly NodeId[];
  /** A path did not work; its first relay may be to blame, such as for `RouteRuntime.avoid`. */
  onPathFailed?(path: readonly NodeId[]): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

type Listener = (open: OpenLink, isOpen: boolean) => void;

const DIRECT: LinkPath = { kind: "direct", via: [] };

export class MeshLinkTable implements MeshLinks {
  readonly #options: MeshLinkTableOptions;
  readonly #choice: LinkChoice;
  readonly #failures = new LinkFailures();
  readonly #attempts = new SingleFlight<NodeId, Link>(LINK_ATTEMPTS_MAX);
  readonly #directAttempts = new SingleFlight<NodeId, Link>(LINK_ATTEMPTS_MAX);
  readonly #listeners = new Set<Listener>();
  readonly #arrivals = new Map<NodeId, Set<(link: Link) => void>>();
  readonly #retiring = new Map<NodeId, Timer>();
  readonly #upgrades = new Map<NodeId, Timer>();
  #isClosed = false;

  constructor(options: MeshLinkTableOptions) {
    this.#options = options;
    this.#choice = new LinkChoice(options.self);
  }

  /**
   * Takes a verified link of the daemon, dialled or accepted; a link that is known is not taken
   * again. After `close`, and for a link to itself, the link ends.
   */
  adopt(link: Link, path: LinkPath, origin: LinkOrigin): void {
    const nodeId = parseNodeId(link.peer.nodeId);
    if (this.#isClosed || nodeId === this.#options.self) {
      link.destroy(new MeshError(this.#isClosed ? "MESH_STOPPING" : "MESH_BAD_REQUEST"));
      return;
    }
    if (!link.isOpen || this.#choice.knows(nodeId, link)) return;
    const changes = this.#choice.add(nodeId, link, path, origin);
    void link.closed.then(() => this.#onClosed(nodeId, link));
    this.#failures.clear(nodeId, path.kind);
    this.#apply(nodeId, changes);
    for (const arrived of this.#arrivals.get(nodeId) ?? []) arrived(this.openLink(nodeId) ?? link);
    changes.excess?.destroy(new MeshError("MESH_LIMIT", { message: "too many links to one node" }));
  }

  openLink(nodeId: NodeId): Link | undefined {
    return this.#choice.best(nodeId)?.link;
  }

  openLinks(): readonly OpenLink[] {
    return this.#choice.open();
  }

  onLink(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What the last attempts said, of ways of which there is no link now. */
  lastErrors(nodeId: NodeId): readonly WayFailure[] {
    return this.#failures.of(nodeId);
  }

  async linkTo(nodeId: NodeId, { signal }: { signal?: AbortSignal } = {}): Promise<Link> {
    const open = this.openLink(nodeId);
    if (open !== undefined) return open;
    this.#refuseUseless(nodeId);
    const recent = this.#failures.recent(nodeId, this.#options.clock.monotonicMs());
    if (recent !== undefined) throw recent;
    return this.#attempts.run(nodeId, signal, (given) => this.#findWay(nodeId, given));
  }

  /** A link that no relay carries: the open one, else by the addresses of the node's record. */
  async directTo(nodeId: NodeId, { signal }: { signal?: AbortSignal } = {}): Promise<Link> {
    const open = this.#choice.bestOf(nodeId, "direct");
    if (open !== undefined) return open.link;
    this.#refuseUseless(nodeId);
    return this.#directAttempts.run(nodeId, signal, (given) => this.#dialDirect(nodeId, given));
  }

  /** Gives up what is under way and closes every link. */
  async close(reason = "the node is stopping", drainMs = 1000): Promise<void> {
    this.#isClosed = true;
    const stopping = new MeshError("MESH_STOPPING");
    this.#attempts.abort(stopping);
    this.#directAttempts.abort(stopping);
    for (const timer of this.#retiring.values()) timer.cancel();
    for (const timer of this.#upgrades.values()) timer.cancel();
    this.#retiring.clear();
    this.#upgrades.clear();
    await Promise.all(this.#choice.all().map(({ link }) => link.close(reason, drainMs)));
  }

  #refuseUseless(nodeId: NodeId): void {
    if (this.#isClosed) throw new MeshError("MESH_STOPPING");
    if (nodeId !== this.#options.self) return;
    throw new MeshError("MESH_BAD_REQUEST", { message: "a node needs no link to itself" });
  }

  /** Whatever opens first, also a link that the other side dials meanwhile. */
  #findWay(nodeId: NodeId, signal: AbortSignal): Promise<Link> {
    return new Promise((resolve, reject) => {
      const waiting = this.#arrivals.get(nodeId) ?? new Set();
      this.#arrivals.set(nodeId, waiting);
      const over = (finish: () => void) => {
        signal.removeEventListener("abort", onAbort);
        waiting.delete(arrived);
        if (waiting.size === 0) this.#arrivals.delete(nodeId);
        finish();
      };
      const arrived = (link: Link) => over(() => resolve(link));
      const onAbort = () => over(() => reject(signal.reason));
      waiting.add(arrived);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#tryWays(nodeId, signal).then(arrived, (error) => over(() => reject(error)));
    });
  }

  async #tryWays(nodeId: NodeId, signal: AbortSignal): Promise<Link> {
    const { clock } = this.#options;
    // Goes on while relays are asked: a direct link that comes later replaces the relayed one.
    const direct = this.directTo(nodeId).catch(() => undefined);
    const early = new AbortController();
    const headStart = sleep(clock, DIRECT_HEAD_START_MS, early.signal).catch(() => undefined);
    const first = await Promise.race([direct, headStart]);
    early.abort();
    if (first !== undefined) return first;
    const relayed = await this.#dialRelayed(nodeId, signal);
    const link = relayed ?? (await direct);
    if (link !== undefined) return link;
    signal.throwIfAborted();
    throw this.#failures.fail(nodeId, clock.monotonicMs());
  }

  async #dialDirect(nodeId: NodeId, signal: AbortSignal): Promise<Link> {
    const { dialer, clock, peers, log } = this.#options;
    const addresses = peers.peer(nodeId)?.linkAddresses.slice(0, LINK_ADDRESSES_MAX) ?? [];
    const result = await raceAddresses(addresses, {
      dialer,
      clock,
      expectedNodeId: nodeId,
      signal,
    });
    if ("link" in result) {
      this.adopt(result.link, DIRECT, "dialled");
      return result.link;
    }
    signal.throwIfAborted();
    const ways = result.failures.map(({ address, reason, hint }) => {
      return { way: address, kind: "direct" as const, reason, hint };
    });
    this.#failures.note(nodeId, "direct", ways);
    log.debug("no address of a node answers", { nodeId, count: ways.length });
    const reasons = ways.map(({ way, reason }) => `${way}: ${reason}`).join("; ");
    throw new MeshError("MESH_UNREACHABLE", {
      message: `no address of the node answers: ${reasons || "none is known"}`,
    });
  }

  async #dialRelayed(nodeId: NodeId, signal: AbortSignal): Promise<Link | undefined> {
    const failures: WayFailure[] = [];
    for (const path of this.#relayPaths(nodeId)) {
      if (signal.aborted) break;
      const via = path.slice(0, -1);
      try {
        const link = await this.#withinTime(signal, (given) => this.#dialPath(path, given));
        this.adopt(link, { kind: "relayed", via }, "dialled");
        this.#failures.note(nodeId, "relayed", []);
        return link;
      } catch (error) {
        const way = `through ${via.map((relay) => this.#nameOf(relay)).join(", ")}`;
        this.#options.onPathFailed?.(path);
        const { reason, hint } = describeFailure(way, error);
        failures.push({ way, kind: "relayed", reason, hint });
      }
    }
    if (!signal.aborted) this.#failures.note(nodeId, "relayed", failures);
    return undefined;
  }

  async #dialPath(path: readonly NodeId[], signal: AbortSignal): Promise<Link> {
    const { self, dialer } = this.#options;
    const [first] = path as [NodeId, ...NodeId[]];
    const link = await this.directTo(first, { signal });
    return dialThroughRelays({ self, link, path, dialer, signal });
  }

  /** Of the routes, best first; then the hubs, for what the routes do not know yet. */
  #relayPaths(nodeId: NodeId): (readonly NodeId[])[] {
    const { self, routes, relayCandidates } = this.#options;
    const routed = routes.pathsTo(nodeId).map(({ path }) => path);
    const hubs = relayCandidates().map((relay) => [relay, nodeId]);
    const paths = new Map<string, readonly NodeId[]>();
    for (const path of [...routed, ...hubs]) {
      const isRelayed = path.length >= 2 && path.length <= RELAY_HOPS_MAX + 1;
      const isSound = new Set([self, ...path]).size === path.length + 1;
      if (isRelayed && isSound && path.at(-1) === nodeId) paths.set(path.join(" "), path);
    }
    return [...paths.values()].slice(0, RELAY_PATHS_MAX);
  }

  /** Where a way through fewer relays than the present link's is known, a link takes that one. */
  async #shortenRelayed(nodeId: NodeId): Promise<void> {
    const used = this.#choice.best(nodeId);
    const [path] = this.#relayPaths(nodeId);
    if (path === undefined || used?.kind !== "relayed" || path.length > used.via.length) return;
    const dial = (signal: AbortSignal) => this.#dialPath(path, signal);
    const link = await this.#withinTime(new AbortController().signal, dial);
    this.adopt(link, { kind: "relayed", via: path.slice(0, -1) }, "dialled");
  }

  #nameOf(nodeId: NodeId): string {
    return this.#options.peers.peer(nodeId)?.name ?? nodeId;
  }

  async #withinTime(
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Link>,
  ): Promise<Link> {
    const over = new AbortController();
    const onAbort = () => over.abort(signal.reason);
    const late = () => over.abort(new MeshError("MESH_TIMEOUT", { message: "no answer in time" }));
    const timer = this.#options.clock.setTimeout(late, RELAY_DIAL_MS_MAX);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await work(over.signal);
    } catch (error) {
      throw over.signal.aborted ? over.signal.reason : error;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }

  #onClosed(nodeId: NodeId, link: Link): void {
    this.#apply(nodeId, this.#choice.remove(nodeId, link));
  }

  #apply(nodeId: NodeId, changes: LinkChanges): void {
    for (const open of changes.closed) this.#tell(open, false);
    for (const open of changes.opened) this.#tell(open, true);
    if (this.#isClosed) return;
    this.#planRetirement(nodeId);
    this.#planUpgrade(nodeId);
  }

  #tell(open: OpenLink, isOpen: boolean): void {
    for (const listener of this.#listeners) listener(open, isOpen);
  }

  #planRetirement(nodeId: NodeId): void {
    if (this.#retiring.has(nodeId) || this.#choice.retirable(nodeId).length === 0) return;
    const retire = () => {
      this.#retiring.delete(nodeId);
      for (const { link, kind } of this.#choice.retirable(nodeId)) {
        this.#options.log.debug("a link gives way to a better one", { nodeId, reason: kind });
        void link.close("a better link is open", RETIRE_DRAIN_MS_MAX);
      }
    };
    this.#retiring.set(nodeId, this.#options.clock.setTimeout(retire, RETIRE_AFTER_MS));
  }

  /** While only a relayed link is there. */
  #planUpgrade(nodeId: NodeId): void {
    const isNeeded = this.#choice.best(nodeId)?.kind === "relayed";
    const upgrade = this.#upgrades.get(nodeId);
    if (!isNeeded) {
      upgrade?.cancel();
      this.#upgrades.delete(nodeId);
    } else if (upgrade === undefined) this.#upgradeAfter(nodeId, UPGRADE_PAUSE_MS);
  }

  /** With jitter, so that the ends, which both try, do not always dial at once. */
  #upgradeAfter(nodeId: NodeId, pauseMs: number): void {
    const { clock, random } = this.#options;
    const attempt = async () => {
      const direct = await this.directTo(nodeId).catch(() => undefined);
      if (direct === undefined) await this.#shortenRelayed(nodeId).catch(() => undefined);
      if (this.#isClosed || !this.#upgrades.has(nodeId)) return;
      this.#upgradeAfter(nodeId, Math.min(2 * pauseMs, UPGRADE_PAUSE_MS_MAX));
    };
    const timer = clock.setTimeout(() => void attempt(), pauseMs * (0.5 + random.float()));
    this.#upgrades.set(nodeId, timer);
  }
}
