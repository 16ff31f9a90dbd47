/**
 * Finds the nodes of the mesh and links to them: the runtime around `CandidateBook`. What it
 * finds by beacon, configuration, hub, invite, snapshot and gossip it tells to the book; the
 * book's dials it performs; a link that was made it hands to the daemon, which exchanges views.
 */
import {
  errorFields,
  type Logger,
  MeshError,
  type NodeId,
  type Startable,
  type Timer,
} from "@hearthmesh/core";
import { type Link, systemNetworkInterfaces } from "@hearthmesh/qwormhole";
import type { OpenLink, PeerState } from "../ports.js";
import { raceAddresses } from "./address-race.js";
import { BeaconDoor } from "./beacon-door.js";
import type { BookEffect, BookEvent } from "./book-events.js";
import type { CandidateReport, FoundBy, FoundMethod } from "./candidate.js";
import { CandidateBook } from "./candidate-book.js";
import { describeFailure } from "./dial-failure.js";
import type { DiscoveryOptions } from "./discovery-options.js";
import { type DiscoveryReport, makeReport } from "./discovery-report.js";
import { canonicalEndpoint, canonicalEndpoints } from "./endpoint-text.js";
import { type Contact, HubFinder, type HubReport } from "./hub-finder.js";
import { type HeardBeacon, LanBeacons } from "./lan-beacons.js";
import {
  CANDIDATE_ADDRESSES_MAX,
  HUBS_MAX,
  LINK_SETUP_MS_MAX,
  STATIC_PEERS_MAX,
} from "./limits.js";
import { systemMulticastSocket } from "./multicast-socket.js";

/** The group and port of beacons. */
export const BEACON_GROUP = "239.192.0.1";
export const BEACON_PORT = 42_424;

type DialEffect = Extract<BookEffect, { type: "dial" }>;

export class Discovery implements Startable {
  readonly name = "discovery";
  readonly #options: DiscoveryOptions;
  readonly #log: Logger;
  readonly #book: CandidateBook;
  readonly #hubs: readonly HubFinder[];
  readonly #door: BeaconDoor | undefined;
  readonly #beacons: LanBeacons | undefined;
  readonly #lastFoundMs = new Map<FoundMethod, number>();
  readonly #dials = new Map<number, { abort: AbortController; done: Promise<void> }>();
  #isRunning = false;
  #wake: Timer | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    const { self, clock, random, beacon } = options;
    this.#log = options.log.child({ part: "discovery" });
    this.#book = new CandidateBook({ selfNodeId: self.nodeId, random });
    this.#book.step({ type: "pause" }, clock.monotonicMs());
    this.#hubs = options.hubs.slice(0, HUBS_MAX).map((source) => this.#hubFinder(source));
    if (!beacon.enabled) return;
    this.#door = new BeaconDoor({
      group: beacon.group ?? BEACON_GROUP,
      port: beacon.port ?? BEACON_PORT,
      socket: options.multicast ?? systemMulticastSocket,
      interfaces: options.interfaces ?? (() => systemNetworkInterfaces().list()),
      clock,
      log: this.#log,
      onDatagram: (bytes, from) => this.#beacons?.receive(bytes, from),
      onInterfacesChanged: () => {
        this.#beacons?.burst();
        this.#step({ type: "network-changed" });
      },
    });
    const { secret } = options;
    const onHeard = (heard: HeardBeacon) => this.#onHeard(heard);
    const door = this.#door;
    this.#beacons = new LanBeacons({ self, secret, door, clock, random, log: this.#log, onHeard });
  }

  /** Resolves when the port of beacons was tried; links come later. Never rejects. */
  async start(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#step({ type: "resume" });
    const { links, staticPeers, invite } = this.#options;
    this.#unsubscribe = links.onLink((open, isOpen) => this.#onLinkChange(open, isOpen));
    for (const open of links.openLinks()) this.#onLinkChange(open, true);
    this.addCandidate("static", { linkAddresses: staticPeers.slice(0, STATIC_PEERS_MAX) });
    if (invite !== undefined) this.addCandidate("invite", invite);
    for (const hub of this.#hubs) hub.start();
    await this.#beacons?.start();
  }

  /** Says goodbye on the LAN, and gives up the dials that are under way. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#step({ type: "pause" });
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const hub of this.#hubs) hub.stop();
    const dials = [...this.#dials.values()];
    for (const { abort } of dials) abort.abort(new MeshError("MESH_STOPPING"));
    await Promise.all([this.#beacons?.stop(), ...dials.map(({ done }) => done)]);
  }

  /**
   * Somebody told where a node is. Without a node id, whoever of the mesh answers is taken; that is
   * for `static`, `hub` and `invite` alone. Addresses that are none are left out.
   */
  addCandidate(method: FoundMethod, contact: Contact): void {
    const { nodeId, linkAddresses } = contact;
    const countMax = nodeId === undefined ? STATIC_PEERS_MAX : CANDIDATE_ADDRESSES_MAX;
    const addresses = canonicalEndpoints(linkAddresses, countMax);
    if (addresses.length === 0) return;
    this.#lastFoundMs.set(method, this.#nowMs());
    const id = nodeId === undefined ? {} : { nodeId };
    this.#step({ type: "found", method, addresses, ...id });
  }

  /** The node was removed from the mesh: it is not dialled again until `restore`. */
  forget(nodeId: NodeId): void {
    this.#step({ type: "removed", nodeId });
  }

  /**
   * Dials the node now by every address that is known of it, instead of when its back-off ends;
   * not one that said that it leaves. No node is dialled twice within `DIAL_SPACING_MS`.
   */
  redial(nodeId: NodeId): void {
    this.#step({ type: "needed", nodeId });
  }

  /** The hubs of the configuration. */
  hubs(): HubReport[] {
    return this.#hubs.map((hub) => ({
      label: hub.label,
      nodeId: hub.contact?.nodeId,
      linkAddresses: hub.contact?.linkAddresses ?? [],
      isLinked: hub.isLinked,
      reason: hub.reason,
    }));
  }

  /** Asks every hub now where its links are; those that are found are dialled. */
  askHubs(): void {
    for (const hub of this.#hubs) hub.askSoon();
  }

  /** A node that was removed belongs to the mesh again. */
  restore(nodeId: NodeId): void {
    this.#step({ type: "restored", nodeId });
  }

  /** Addresses of this machine have changed, or it woke from sleep: everything is tried again. */
  networkChanged(): void {
    this.#step({ type: "network-changed" });
    for (const hub of this.#hubs) hub.askSoon();
    void this.#beacons?.networkChanged();
  }

  /** What membership (SWIM) says of a node. */
  peerState(nodeId: NodeId, state: PeerState): void {
    this.#step({ type: "peer-state", nodeId, state });
  }

  /** Which methods found the node, the last one first. */
  foundBy(nodeId: NodeId): readonly FoundBy[] {
    return this.#book.foundBy(nodeId).map((found) => ({
      ...found,
      atMs: this.#toWallMs(found.atMs),
    }));
  }

  /** Of one node, with times of the monotonic clock; undefined when it is not known. */
  found(nodeId: NodeId): CandidateReport | undefined {
    return this.#book.reportOf(nodeId);
  }

  /** For `/mesh/status` and `/mesh/peers`; all times are in milliseconds since 1970. */
  report(): DiscoveryReport {
    const { staticPeers, invite, hubs } = this.#options;
    const unreadable = staticPeers.filter((text) => canonicalEndpoint(text) === undefined);
    return makeReport({
      candidates: this.#book.report(),
      dialsUnderWay: this.#book.dialsUnderWay,
      door: this.#door?.report(),
      beacons: this.#beacons,
      hubs: this.#hubs,
      staticPeers: staticPeers.length,
      unreadable: unreadable.concat(staticPeers.slice(STATIC_PEERS_MAX)),
      hasInvite: invite !== undefined,
      hubsLeftOut: hubs.length - this.#hubs.length,
      lastFoundMs: this.#lastFoundMs,
      toWallMs: (ms) => this.#toWallMs(ms),
    });
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #toWallMs(monotonicMs: number): number {
    return Math.round(this.#options.clock.nowMs() + monotonicMs - this.#nowMs());
  }

  #hubFinder(source: DiscoveryOptions["hubs"][number]): HubFinder {
    const { clock, random } = this.#options;
    let places: readonly string[] = [];
    return new HubFinder({
      source,
      clock,
      random,
      isLinked: (contact) => this.#isLinked(contact),
      onFound: (contact) => {
        const found = canonicalEndpoints(contact.linkAddresses, CANDIDATE_ADDRESSES_MAX);
        const kept = contact.nodeId === undefined ? found : [];
        const addresses = places.filter((address) => !kept.includes(address));
        places = kept;
        if (addresses.length > 0) this.#step({ type: "withdrawn", method: "hub", addresses });
        this.addCandidate("hub", { ...contact, linkAddresses: found });
      },
    });
  }

  #isLinked({ nodeId, linkAddresses }: Contact): boolean {
    if (nodeId !== undefined) return this.#book.isLinked(nodeId);
    const places = canonicalEndpoints(linkAddresses, CANDIDATE_ADDRESSES_MAX);
    return this.#book
      .report()
      .some(({ link, addresses }) => link === "direct" && addresses.some(isIn(places)));
  }

  #onHeard({ beacon, isFresh, host }: HeardBeacon): void {
    const { nodeId, boot, udpPort, linkPort, linkAddresses } = beacon;
    if (beacon.isLeaving) {
      this.#step({ type: "left", nodeId });
      return;
    }
    const own = linkPort === 0 ? [] : [`${host}:${linkPort}`];
    const addresses = canonicalEndpoints([...own, ...linkAddresses], CANDIDATE_ADDRESSES_MAX);
    if (isFresh) {
      this.#lastFoundMs.set("beacon", this.#nowMs());
      const udpAddress = udpPort === 0 ? undefined : canonicalEndpoint(`${host}:${udpPort}`);
      this.#options.onHeard?.({ nodeId, udpAddress, linkAddresses: addresses });
    }
    const freshness = isFresh ? { boot } : {};
    this.#step({ type: "found", method: "beacon", nodeId, addresses, ...freshness });
  }

  #onLinkChange({ link, kind }: OpenLink, isOpen: boolean): void {
    const nodeId = link.peer.nodeId as NodeId;
    this.#step({ type: isOpen ? "link-opened" : "link-closed", nodeId, kind });
  }

  #step(event: BookEvent): void {
    for (const effect of this.#book.step(event, this.#nowMs())) this.#perform(effect);
    this.#wake?.cancel();
    const { wakeMs } = this.#book;
    if (wakeMs === undefined || !this.#isRunning) return;
    const delayMs = Math.max(0, wakeMs - this.#nowMs());
    this.#wake = this.#options.clock.setTimeout(() => this.#step({ type: "wake" }), delayMs);
  }

  #perform(effect: BookEffect): void {
    if (effect.type === "abort-dial") {
      this.#dials.get(effect.dialId)?.abort.abort(new MeshError("MESH_CANCELLED"));
      return;
    }
    const abort = new AbortController();
    const done = this.#dial(effect, abort.signal).then((result) => {
      this.#dials.delete(effect.dialId);
      this.#step(result);
    });
    this.#dials.set(effect.dialId, { abort, done });
  }

  /** Performs a dial to its end; never rejects. */
  async #dial(effect: DialEffect, signal: AbortSignal): Promise<BookEvent> {
    const { dialId, addresses, expectedNodeId } = effect;
    const { dialer, clock } = this.#options;
    const result = await raceAddresses(addresses, { dialer, clock, expectedNodeId, signal });
    if (!("link" in result)) {
      this.#log.debug("no address of a candidate answers", {
        ...(expectedNodeId === undefined ? {} : { nodeId: expectedNodeId }),
        reason: result.failures.map(({ address, reason }) => `${address}: ${reason}`).join("; "),
      });
      return { type: "dial-failed", dialId, ...result };
    }
    const { link, address } = result;
    try {
      await this.#setUp(link, effect, signal);
      const nodeId = link.peer.nodeId as NodeId;
      return { type: "dial-succeeded", dialId, nodeId, address };
    } catch (error) {
      this.#log.debug("a new link could not be used", {
        nodeId: link.peer.nodeId,
        ...errorFields(error),
      });
      await link.close("the link could not be used", 0).catch(() => undefined);
      return { type: "dial-failed", dialId, failures: [describeFailure(address, error)] };
    }
  }

  /** Hands the link to the daemon, which exchanges views over it. */
  async #setUp(link: Link, effect: DialEffect, signal: AbortSignal): Promise<void> {
    const nodeId = link.peer.nodeId as NodeId;
    signal.throwIfAborted();
    if (this.#book.isRemoved(nodeId)) {
      throw new MeshError("MESH_CERT_REVOKED", { message: "the node was removed from the mesh" });
    }
    // The daemon may already keep a link to it, and says so by closing this one.
    let timer: Timer | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = this.#options.clock.setTimeout(() => {
        reject(new MeshError("MESH_TIMEOUT", { message: "the exchange of views took too long" }));
      }, LINK_SETUP_MS_MAX);
    });
    // The other end may have gone meanwhile: who stops does not wait for its views.
    const givenUp = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    const foundBy = effect.foundBy.map((found) => ({
      ...found,
      atMs: this.#toWallMs(found.atMs),
    }));
    try {
      await Promise.race([this.#options.onLink(link, foundBy), tooLate, givenUp]);
    } finally {
      timer?.cancel();
    }
  }
}

function isIn(list: readonly string[]): (item: string) => boolean {
  return (item) => list.includes(item);
}
