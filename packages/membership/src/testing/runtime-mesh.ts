/**
 * Several `SwimRuntime`s in one process, over real UDP sockets on the loopback and real links over
 * memory, with certificates of a real CA. Datagrams can be lost, recorded and injected.
 */
import { createPrivateKey } from "node:crypto";
import { createSocket } from "node:dgram";
import {
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  createMemberCa,
  createVerifier,
  decodePem,
  generateKeyPair,
  issueCertificate,
  type MemberCa,
  parseCertificate,
  publicKeyDerOf,
  signerOf,
} from "@hearthmesh/identity";
import {
  dialLink,
  type Link,
  type LinkHandlers,
  type LinkListener,
  linkIdentityOf,
  listenLinks,
  memoryTransport,
} from "@hearthmesh/qwormhole";
import type { MeshLinks, OpenLink } from "../ports.js";
import type { SwimSnapshot } from "../runtime/snapshot.js";
import { SwimRuntime } from "../runtime/swim-runtime.js";
import type { PeerChange } from "../runtime/swim-runtime-options.js";
import { systemUdpSocket, type UdpSocketFactory } from "../runtime/udp-socket.js";
import { SWIM_LOOPBACK, type SwimConfig } from "../swim/config.js";

const DOMAIN = "home.alice" as TrustDomain;
const HOUR_MS = 3_600_000;

export interface NodeIdentity {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly privateKeyPem: string;
  readonly publicKey: Uint8Array;
  certificate: Uint8Array;
}

export interface StartOptions {
  /** False: links alone. */
  readonly udp?: boolean;
  readonly config?: SwimConfig;
  readonly port?: number;
}

export interface MeshNode {
  readonly identity: NodeIdentity;
  readonly runtime: SwimRuntime;
  readonly links: TestLinks;
  readonly changes: PeerChange[];
}

/** A datagram on its way; `from` and `to` are names, `to` is undefined for no node of the mesh. */
export interface Passing {
  readonly from: string;
  readonly to: string | undefined;
  readonly bytes: Uint8Array;
}

export class RuntimeMesh {
  readonly nodes = new Map<string, MeshNode>();
  readonly revoked = new Set<NodeId>();
  readonly passed: Passing[] = [];
  /** True: the datagram is lost. */
  loses: (passing: Passing) => boolean = () => false;
  /** True: no link can be opened between the two. */
  isCut: (from: string, to: string) => boolean = () => false;
  readonly transport = memoryTransport();
  /** What a node's wall clock is wrong by. */
  readonly clockOffsetMs = new Map<string, number>();
  /** In the meta of all. */
  site = "garage";
  readonly #identities = new Map<string, NodeIdentity>();
  readonly #snapshots = new Map<string, SwimSnapshot>();
  readonly #ca: MemberCa;
  readonly #verify: (der: Uint8Array) => { nodeId: NodeId; notAfterMs: number };

  private constructor(ca: MemberCa) {
    this.#ca = ca;
    const bundle = { trustDomain: DOMAIN, sequence: 1, caCertificatesPem: [ca.certificatePem] };
    const verifier = createVerifier(bundle);
    this.#verify = (der) => verifier.verify([der], { nowMs: Date.now() });
  }

  static async create(): Promise<RuntimeMesh> {
    const clock = systemClock();
    const random = systemRandom();
    const options = { memberId: "alice", trustDomain: DOMAIN, clock, random };
    return new RuntimeMesh(await createMemberCa(options));
  }

  node(name: string): MeshNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  nodeId(name: string): NodeId {
    return this.node(name).identity.nodeId;
  }

  async identity(name: string, validityMs = HOUR_MS * 24): Promise<NodeIdentity> {
    const known = this.#identities.get(name);
    if (known !== undefined) return known;
    const { privateKeyPem, publicKeyPem, nodeId } = generateKeyPair();
    const publicKey = publicKeyDerOf(publicKeyPem);
    const certificate = await this.issue(name, publicKey, validityMs);
    const identity = { name, nodeId, privateKeyPem, publicKey, certificate };
    this.#identities.set(name, identity);
    return identity;
  }

  async issue(name: string, publicKeyDer: Uint8Array, validityMs: number): Promise<Uint8Array> {
    const issued = await issueCertificate({
      ...{ ca: this.#ca, publicKeyDer, kind: "node", trustDomain: DOMAIN, name, validityMs },
      ...{ clock: systemClock(), random: systemRandom() },
    });
    return decodePem("CERTIFICATE", issued.certificatePem);
  }

  /** Starts a node, again with its identity and snapshot when it was there before. */
  async start(name: string, options: StartOptions = {}): Promise<MeshNode> {
    const identity = await this.identity(name);
    const changes: PeerChange[] = [];
    const clock = systemClock();
    const links = new TestLinks(this, identity, () => runtime.handlers);
    const runtime: SwimRuntime = new SwimRuntime({
      config: options.config ?? SWIM_LOOPBACK,
      self: {
        ...{ nodeId: identity.nodeId, name, publicKey: identity.publicKey },
        privateKeyPem: identity.privateKeyPem,
        certificateDer: () => identity.certificate,
        address: () => `127.0.0.1:${runtime.udpPort}`,
        meta: () => ({
          ...{ linkAddresses: [`${name}:1`], roles: ["storage"], capabilities: ["compute"] },
          ...{ site: this.site, version: "0.1.0", relays: false, isHub: false },
        }),
      },
      sign: signerOf(identity.privateKeyPem),
      udp: options.udp === false ? undefined : { host: "127.0.0.1", port: options.port ?? 0 },
      udpSocket: this.#socketOf(name),
      links,
      verifyCertificate: (der) => ({
        ...this.#verify(der),
        publicKey: parseCertificate(der).publicKeyDer,
      }),
      isRevoked: (nodeId) => this.revoked.has(nodeId),
      snapshots: {
        load: async () => this.#snapshots.get(name),
        save: async (snapshot) => {
          this.#snapshots.set(name, JSON.parse(JSON.stringify(snapshot)));
        },
      },
      clock: { ...clock, nowMs: () => clock.nowMs() + (this.clockOffsetMs.get(name) ?? 0) },
      random: systemRandom(),
      log: silentLogger,
    });
    runtime.onChange((change) => changes.push(change));
    await links.listen();
    await runtime.start();
    const node = { identity, runtime, links, changes };
    this.nodes.set(name, node);
    return node;
  }

  snapshot(name: string): SwimSnapshot | undefined {
    return this.#snapshots.get(name);
  }

  dropSnapshot(name: string): void {
    this.#snapshots.delete(name);
  }

  /** `name` dials `other` and joins over that link. */
  async join(name: string, other: string): Promise<void> {
    const link = await this.node(name).links.linkTo(this.nodeId(other));
    await this.node(name).runtime.join(link);
  }

  /** Ends without a word. */
  async crash(name: string): Promise<void> {
    const { runtime, links } = this.node(name);
    this.nodes.delete(name);
    const stopped = runtime.stop({ leave: false });
    await links.destroy();
    await stopped;
  }

  async leave(name: string): Promise<void> {
    const { runtime, links } = this.node(name);
    this.nodes.delete(name);
    await runtime.stop();
    await links.destroy();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes.keys()].map((name) => this.crash(name)));
  }

  state(observer: string, subject: string): string | undefined {
    const nodeId = this.#identities.get(subject)?.nodeId;
    const peer = nodeId && this.node(observer).runtime.peer(nodeId);
    return peer === undefined ? undefined : peer.state;
  }

  /** All who are up see this of the subject. */
  allSee(subject: string, state: string | undefined): boolean {
    return [...this.nodes.keys()]
      .filter((name) => name !== subject)
      .every((name) => this.state(name, subject) === state);
  }

  get hasConverged(): boolean {
    const names = [...this.nodes.keys()];
    return names.every((name) => this.allSee(name, "alive")) && names.length > 0;
  }

  /** Any socket that is no node's. */
  async inject(to: string, datagrams: readonly Uint8Array[]): Promise<void> {
    const socket = createSocket("udp4");
    const port = this.node(to).runtime.udpPort ?? 0;
    for (const bytes of datagrams) {
      await new Promise<void>((resolve) => socket.send(bytes, port, "127.0.0.1", () => resolve()));
    }
    socket.close();
  }

  deaths(): PeerChange[] {
    return [...this.nodes.values()].flatMap(({ changes }) =>
      changes.filter(({ after }) => after === "dead"),
    );
  }

  #socketOf(name: string): UdpSocketFactory {
    return async (address, onDatagram, onError) => {
      const socket = await systemUdpSocket(address, onDatagram, onError);
      return {
        address: socket.address,
        close: () => socket.close(),
        send: (bytes, to) => {
          const target = [...this.nodes].find(([, node]) => node.runtime.udpPort === to.port);
          const passing = { from: name, to: target?.[0], bytes };
          if (this.loses(passing)) return;
          this.passed.push(passing);
          socket.send(bytes, to);
        },
      };
    };
  }
}

/** Links by name over memory; no relays. */
class TestLinks implements MeshLinks {
  readonly #mesh: RuntimeMesh;
  readonly #identity: NodeIdentity;
  readonly #handlers: () => LinkHandlers;
  readonly #open = new Map<string, Link>();
  readonly #listeners = new Set<(open: OpenLink, isOpen: boolean) => void>();
  #listener: LinkListener | undefined;

  constructor(mesh: RuntimeMesh, identity: NodeIdentity, handlers: () => LinkHandlers) {
    this.#mesh = mesh;
    this.#identity = identity;
    this.#handlers = handlers;
  }

  async listen(): Promise<void> {
    const address = { host: this.#identity.name, port: 1 };
    const { transport } = this.#mesh;
    this.#listener = await listenLinks(transport, address, this.#options(), (link) => {
      this.#add(link);
    });
  }

  openLink(nodeId: NodeId): Link | undefined {
    const link = this.#open.get(nodeId);
    return link?.isOpen ? link : undefined;
  }

  async linkTo(nodeId: NodeId): Promise<Link> {
    const open = this.openLink(nodeId);
    if (open !== undefined) return open;
    const target = [...this.#mesh.nodes.values()].find((node) => node.identity.nodeId === nodeId);
    const { name } = this.#identity;
    if (target === undefined || this.#mesh.isCut(name, target.identity.name)) {
      throw new Error("nobody is there");
    }
    const address = { host: target.identity.name, port: 1 };
    const link = await dialLink(this.#mesh.transport, address, this.#options());
    this.#add(link);
    return link;
  }

  openLinks(): readonly OpenLink[] {
    return [...this.#open.values()]
      .filter(({ isOpen }) => isOpen)
      .map((link) => ({ link, kind: "direct", via: [] }));
  }

  onLink(listener: (open: OpenLink, isOpen: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends those that could not be opened now. */
  breakCut(): void {
    for (const node of this.#mesh.nodes.values()) {
      if (!this.#mesh.isCut(this.#identity.name, node.identity.name)) continue;
      this.#open.get(node.identity.nodeId)?.destroy(new Error("the network was cut"));
    }
  }

  /** Ends all links at once. */
  async destroy(): Promise<void> {
    await this.#listener?.close();
    for (const link of this.#open.values()) link.destroy(new Error("the node is gone"));
  }

  #options() {
    const identity = linkIdentityOf(createPrivateKey(this.#identity.privateKeyPem));
    return { identity, handlers: this.#handlers() };
  }

  #add(link: Link): void {
    const { nodeId } = link.peer;
    this.#open.set(nodeId, link);
    const open: OpenLink = { link, kind: "direct", via: [] };
    for (const listener of this.#listeners) listener(open, true);
    void link.closed.then(() => {
      if (this.#open.get(nodeId) === link) this.#open.delete(nodeId);
      for (const listener of this.#listeners) listener(open, false);
    });
  }
}
