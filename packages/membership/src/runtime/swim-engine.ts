/**
 * The parts of the runtime and what goes between them. Time is the monotonic clock's, and no timer
 * waits longer than the machine asks, so that the machine sees every stall of this process itself.
 */
import { errorFields, MeshError, type NodeId, type Timer } from "@hearthmesh/core";
import type { Answer, Link } from "@hearthmesh/qwormhole";
import { signRecord } from "../record-proof.js";
import type { SwimEffect, SwimEvent } from "../swim/swim-events.js";
import { SwimMachine } from "../swim/swim-machine.js";
import { CertificateBook } from "./certificate-book.js";
import { CertificateFetcher } from "./certificate-fetcher.js";
import { Counting } from "./counters.js";
import { DatagramGate } from "./datagram-gate.js";
import { DatagramSealer, type SealPeer } from "./datagram-seal.js";
import { DatagramSender, type Origin } from "./datagram-sender.js";
import { FloodGuard } from "./flood-guard.js";
import { BOOT_BYTES, EXCHANGES_OPEN_MAX } from "./limits.js";
import { LinkDatagrams } from "./link-datagrams.js";
import { MemberDirectory } from "./member-directory.js";
import { decodeCertificatesRequest, encodeCertificates } from "./mesh-messages.js";
import { encodeNodeMeta } from "./node-meta.js";
import { MetaReader, peerInfoOf } from "./peer-info.js";
import { PeerMemory } from "./peer-memory.js";
import { PeerPaths } from "./peer-paths.js";
import { RecordIntake } from "./record-intake.js";
import { ShortIds } from "./short-ids.js";
import { SnapshotKeeper } from "./snapshot-keeper.js";
import type { PeerChange, SwimRuntimeOptions } from "./swim-runtime-options.js";
import { systemUdpSocket } from "./udp-socket.js";
import { ViewExchange } from "./view-exchange.js";

/** The address of a node without UDP. */
const NO_UDP_ADDRESS = "none:0";

type Change = Extract<SwimEffect, { type: "change" }>;

export class SwimEngine {
  readonly counting = new Counting();
  readonly memory = new PeerMemory();
  readonly listeners = new Set<(change: PeerChange) => void>();
  machine: SwimMachine | undefined;
  readonly #options: SwimRuntimeOptions;
  readonly #boot: Uint8Array;
  readonly #book: CertificateBook;
  readonly #guard: FloodGuard;
  readonly #sealer: DatagramSealer;
  readonly #gate: DatagramGate;
  readonly #paths: PeerPaths;
  readonly #linkDatagrams: LinkDatagrams;
  readonly #exchange: ViewExchange;
  readonly #fetcher: CertificateFetcher;
  readonly #snapshots: SnapshotKeeper;
  readonly #metas = new MetaReader();
  readonly directory = new MemberDirectory({
    machine: () => this.machine,
    meta: (record) => this.#metas.read(record),
    path: (nodeId) => this.#paths.get(nodeId),
  });
  readonly #shortIds = new ShortIds();
  readonly #intake: RecordIntake;
  readonly #sender: DatagramSender;
  #stopListening: () => void = () => undefined;
  #timer: Timer | undefined;
  #timerMs = Number.NaN;
  #teller: NodeId;
  #isStopped = false;

  constructor(options: SwimRuntimeOptions) {
    const { self, config, clock, random, links, log, snapshots, verifyCertificate } = options;
    this.#options = options;
    this.#teller = self.nodeId;
    this.#boot = random.bytes(BOOT_BYTES);
    this.#book = new CertificateBook({
      verifyCertificate,
      isRevoked: (nodeId) => options.isRevoked(nodeId),
      nowMs: () => clock.nowMs(),
    });
    this.#guard = new FloodGuard(clock.monotonicMs());
    const { nodeId, privateKeyPem } = self;
    this.#sealer = new DatagramSealer({ nodeId, privateKeyPem, boot: this.#boot });
    this.#gate = new DatagramGate({
      sealer: this.#sealer,
      guard: this.#guard,
      counting: this.counting,
      findPeer: (shortId) => this.#sealPeer(this.#shortIds.find(shortId)),
    });
    // The machine repeats a ping after half of its time: the repeat already goes both ways.
    this.#paths = new PeerPaths(config.probeTimeoutMs / 2 - 1);
    const onDialled = (link: Link) => this.#exchangeQuietly(link);
    this.#linkDatagrams = new LinkDatagrams({ links, clock, random, log, onDialled });
    this.#sender = new DatagramSender({
      ...{ sealer: this.#sealer, paths: this.#paths, linkDatagrams: this.#linkDatagrams },
      ...{ links, counting: this.counting, clock, log },
      sealPeer: (to) => this.#sealPeer(to),
    });
    this.#intake = new RecordIntake({
      ...{ self, book: this.#book, guard: this.#guard, counting: this.counting, clock },
      incarnationOf: (of) => this.machine?.member(of)?.record.incarnation,
      onWaiting: () => this.#fetcher.wake(),
      onReady: (record, from) => {
        this.step({ type: "view", claims: [{ kind: "self", record }], from }, from);
      },
    });
    this.#exchange = new ViewExchange({
      summary: () => this.directory.summary(),
      claimsAbout: (about, listener) => this.machine?.claimsAbout(about, listener) ?? [],
      certificateOf: (about) => this.#certificateOf(about),
      ownCertificate: () => self.certificateDer(),
      takeCertificates: (certificates, from) => this.#intake.takeCertificates(certificates, from),
      takeClaims: (claims, from) => {
        this.step({ type: "view", claims: this.#intake.admit(claims, from), from }, from);
      },
    });
    this.#fetcher = new CertificateFetcher({
      ...{ book: this.#book, links, clock, random, log },
      ensureLink: (to) => this.#linkDatagrams.ensure(to),
      takeCertificates: (certificates, from) => this.#intake.takeCertificates(certificates, from),
    });
    this.#snapshots = new SnapshotKeeper({
      ...{ store: snapshots, clock, log },
      make: () => ({
        version: 1,
        incarnation: this.machine?.self.incarnation ?? 0,
        peers: this.memory.all,
        forgotten: this.machine?.forgotten ?? [],
      }),
    });
  }

  get udpPort(): number | undefined {
    return this.#sender.socket?.address.port;
  }

  /** `MESH_PORT_TAKEN`, or the system's error, when the UDP port cannot be bound. */
  async start(): Promise<void> {
    const { clock, udp, udpSocket = systemUdpSocket, links, log } = this.#options;
    const snapshot = await this.#snapshots.load();
    if (udp !== undefined) {
      this.#sender.socket = await udpSocket(
        udp,
        (bytes, source) => this.#onUdp(bytes, source),
        (error) => log.warn("the socket of membership had an error", errorFields(error)),
      );
    }
    for (const { certificate } of snapshot?.peers ?? []) {
      this.#book.add(Buffer.from(certificate, "base64"));
    }
    this.memory.load(snapshot?.peers ?? []);
    // Above earlier lives also without a snapshot, unless the clock went back: then others tell.
    const incarnation = Math.max((snapshot?.incarnation ?? 0) + 1, Math.floor(clock.nowMs()), 1);
    this.machine = this.#makeMachine(incarnation);
    for (const nodeId of snapshot?.forgotten ?? []) this.forget(nodeId);
    this.#stopListening = links.onLink((open, isOpen) => this.#onLink(open.link, isOpen));
    for (const { link } of links.openLinks()) this.#onLink(link, true);
    this.#fetcher.start();
    this.#snapshots.changed();
    this.#plan();
  }

  publicKeyOf(nodeId: NodeId): Uint8Array | undefined {
    return this.#book.publicKey(nodeId);
  }

  /** True when there is somebody to hear it. */
  leave(): boolean {
    const hasPeers = this.directory
      .peers()
      .some(({ state }) => state === "alive" || state === "suspect");
    this.step({ type: "leave" });
    return hasPeers;
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#stopListening();
    this.#fetcher.stop();
    this.#linkDatagrams.stop();
    if (this.machine !== undefined) await this.#snapshots.save();
    await this.#sender.socket?.close();
  }

  /** `origin` is where a message came from, `teller` who brought the claims of the event. */
  step(event: SwimEvent, teller?: NodeId, origin?: Origin): void {
    if (this.machine === undefined || this.#isStopped) return;
    const before = this.machine.self.incarnation;
    this.#teller = teller ?? this.#options.self.nodeId;
    const effects = this.machine.step(event, this.#options.clock.monotonicMs());
    for (const effect of effects) {
      if (effect.type === "send") this.#sender.send(effect, origin);
      else if (effect.type === "exchange") this.#exchangeWith(effect.to);
      else this.#changed(effect);
    }
    if (this.machine.self.incarnation !== before) this.#snapshots.changed();
    this.#plan();
  }

  forget(nodeId: NodeId): void {
    this.step({ type: "forget", nodeId });
    this.#book.remove(nodeId);
    this.#paths.forget(nodeId);
    this.#sealer.forget(nodeId);
    this.memory.forget(nodeId);
    this.#snapshots.changed();
  }

  updateSelf(): void {
    if (this.machine === undefined) return;
    const { address, meta } = this.machine.self;
    const now = { address: this.#ownAddress(), meta: this.#ownMeta() };
    if (now.address === address && Buffer.compare(now.meta, meta) === 0) return;
    this.step({ type: "update", ...now });
  }

  exchangeOver(link: Link): Promise<void> {
    const [leaf] = link.peer.certificates;
    if (leaf !== undefined) this.#intake.takeCertificates([leaf], link.peer.nodeId as NodeId);
    return this.#exchange.run(link);
  }

  answerExchange(body: Uint8Array, peer: NodeId): Answer {
    this.#checkRate(peer);
    return this.#exchange.answer(body, peer);
  }

  answerCertificates(body: Uint8Array, peer: NodeId): Answer {
    this.#checkRate(peer);
    const known = decodeCertificatesRequest(body)
      .map((nodeId) => this.#certificateOf(nodeId))
      .filter((der) => der !== undefined);
    return encodeCertificates(known);
  }

  takeLinkDatagram(body: Uint8Array, peer: NodeId): void {
    const nowMs = this.#options.clock.monotonicMs();
    const message = this.#gate.fromLink(body, peer, nowMs);
    if (message === undefined) return;
    this.#paths.heardLink(peer, nowMs);
    this.#onMessage({ ...message, claims: this.#intake.admit(message.claims, peer) }, "link", "");
  }

  #onUdp(bytes: Uint8Array, source: string): void {
    if (this.#isStopped || this.machine === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    const message = this.#gate.fromUdp(bytes, source, nowMs);
    if (message === undefined) return;
    const isAnswer = message.kind === "ack";
    this.#paths.heardUdp(message.from, source, isAnswer, nowMs);
    this.#onMessage(
      { ...message, claims: this.#intake.admit(message.claims, message.from) },
      "udp",
      source,
    );
  }

  #onMessage(
    message: Extract<SwimEvent, { type: "message" }>["message"],
    way: "udp" | "link",
    source: string,
  ): void {
    const { from: nodeId } = message;
    const address = this.machine?.member(nodeId)?.record.address ?? source;
    this.step({ type: "message", address, message }, nodeId, { nodeId, way, source });
  }

  /** With the node, over a link that is open or can be opened; else with anybody. */
  #exchangeWith(to: NodeId | undefined): void {
    if (to === undefined || this.#exchange.runningCount >= EXCHANGES_OPEN_MAX) return;
    const { links, random } = this.#options;
    const link = links.openLink(to);
    if (link !== undefined) {
      this.#exchangeQuietly(link);
      return;
    }
    const isDead = this.machine?.member(to)?.state === "dead";
    const open = links.openLinks();
    const any = open[Math.floor(random.float() * open.length)];
    if (isDead || any === undefined) this.#linkDatagrams.ensure(to);
    else this.#exchangeQuietly(any.link);
  }

  #exchangeQuietly(link: Link): void {
    this.exchangeOver(link).catch((error: unknown) => {
      const { log } = this.#options;
      const fields = { nodeId: link.peer.nodeId, ...errorFields(error) };
      log.debug("views could not be exchanged with a node", fields);
    });
  }

  #changed({ record, before, after }: Change): void {
    const { nodeId, name: nodeName } = record;
    if (before === undefined || before === "dead" || before === "left") this.#shortIds.add(nodeId);
    if (before === after) this.#paths.reset(nodeId);
    const peer = peerInfoOf(record, after, this.#metas.read(record));
    const certificate = Buffer.from(this.#book.certificate(nodeId) ?? []).toString("base64");
    const { linkAddresses } = peer;
    if (after === "alive") this.memory.meet({ nodeId, name: nodeName, linkAddresses, certificate });
    this.#snapshots.changed();
    // It has to hear of it before it can say that it lives.
    if (after === "suspect") this.#linkDatagrams.ensure(nodeId);
    const { log } = this.#options;
    if (after === "suspect") log.debug("a node is suspected", { nodeId, nodeName });
    else if (before !== after) log.info(`a node is ${after}`, { nodeId, nodeName });
    for (const listener of [...this.listeners]) {
      try {
        listener({ peer, before, after });
      } catch (error) {
        log.error("a listener to changes of the mesh failed", errorFields(error));
      }
    }
  }

  #onLink(link: Link, isOpen: boolean): void {
    const nodeId = link.peer.nodeId as NodeId;
    if (!isOpen) {
      const isLast = this.#options.links.openLink(nodeId) === undefined;
      if (!isLast) return;
      this.step({ type: "connection-lost", nodeId });
      void this.#askForProcess(nodeId, link.peer.remoteAddress);
      return;
    }
    const [leaf] = link.peer.certificates;
    if (leaf !== undefined) this.#intake.takeCertificates([leaf], nodeId);
    this.#linkDatagrams.opened(link);
  }

  /** Never rejects. */
  async #askForProcess(nodeId: NodeId, remoteAddress: string): Promise<void> {
    const peer = this.directory.peer(nodeId);
    const { isProcessGone } = this.#options;
    if (peer === undefined || isProcessGone === undefined) return;
    const isGone = await isProcessGone(peer, remoteAddress).catch(() => false);
    // A link that was opened meanwhile is the better witness.
    const isBack = this.#options.links.openLink(nodeId) !== undefined;
    if (isGone && !isBack && !this.#isStopped) this.step({ type: "process-gone", nodeId });
  }

  #makeMachine(incarnation: number): SwimMachine {
    const { config, self, random, clock, sign } = this.#options;
    const { nodeId, name } = self;
    return new SwimMachine(
      {
        config,
        self: { nodeId, name, address: this.#ownAddress(), meta: this.#ownMeta() },
        incarnation,
        sign: (record) => signRecord(record, sign),
        verify: (record) => this.#intake.verify(record, this.#teller),
        random: () => random.float(),
      },
      clock.monotonicMs(),
    );
  }

  #ownAddress(): string {
    return this.#sender.socket === undefined ? NO_UDP_ADDRESS : this.#options.self.address();
  }

  #ownMeta(): Uint8Array {
    const { self, log } = this.#options;
    const { bytes, dropped } = encodeNodeMeta({ ...self.meta(), boot: this.#boot });
    if (dropped > 0) {
      const reason = "addresses and capabilities that had no room are not announced";
      log.warn("this node has too much to say about itself", { count: dropped, reason });
    }
    return bytes;
  }

  #sealPeer(nodeId: NodeId | undefined): SealPeer | undefined {
    const member = nodeId && this.machine?.member(nodeId);
    if (nodeId === undefined || !member) return undefined;
    const boot = this.#metas.read(member.record)?.boot;
    const publicKey = this.#book.publicKey(nodeId);
    return boot && publicKey && { nodeId, publicKey, boot };
  }

  #certificateOf(nodeId: NodeId): Uint8Array | undefined {
    const { self } = this.#options;
    return nodeId === self.nodeId ? self.certificateDer() : this.#book.certificate(nodeId);
  }

  #checkRate(peer: NodeId): void {
    if (this.#guard.mayAsk(peer, this.#options.clock.monotonicMs())) return;
    this.counting.refuse("flood");
    throw new MeshError("MESH_LIMIT", { message: "too many requests about the mesh" });
  }

  #plan(): void {
    const { machine } = this;
    if (machine === undefined || this.#isStopped || machine.wakeMs === this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = machine.wakeMs;
    const { clock } = this.#options;
    const delayMs = Math.max(0, machine.wakeMs - clock.monotonicMs());
    this.#timer = clock.setTimeout(() => {
      this.#timerMs = Number.NaN;
      this.step({ type: "wake" });
    }, delayMs);
  }
}
