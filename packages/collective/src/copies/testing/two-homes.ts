/**
 * Homes of several members in one process: real coordinators, real storage nodes on disk, links in
 * memory. Each home sees the people and machines of another as foreign.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type MemberId,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import type { Principal, PrincipalKind } from "@hearthmesh/identity";
import {
  dialLink,
  type Link,
  type LinkHandlers,
  type LinkIdentity,
  listenLinks,
  memoryTransport,
  nodeIdOfPublicKey,
} from "@hearthmesh/qwormhole";
import { memoryStore } from "@hearthmesh/store";
import { coordinatorOverLink } from "../../client/coordinator-link.js";
import { FileClient } from "../../client/file-client.js";
import { LinkPool } from "../../client/link-pool.js";
import { type Listener, RealNode } from "../../client/testing/real-node.js";
import { newIdentity } from "../../client/testing/small-node.js";
import { Coordinator } from "../../coordinator/coordinator.js";
import type { QuotaOffer } from "../../coordinator/quota-ledger.js";
import type { NodeInfo } from "../../types.js";
import { CopyKeys } from "../copy-keys.js";
import type { FriendsPort } from "../friends.js";
import type { CopyIntervals } from "../kept-scan.js";

const PORT = 1;
const DAY_MS = 86_400_000;

interface Known {
  readonly domain: string;
  readonly kind: PrincipalKind;
  readonly name: string;
}

/** Everybody's links, and who everybody is. */
export class Neighbourhood {
  readonly homes: TestHome[] = [];
  readonly #transport = memoryTransport();
  readonly #known = new Map<string, Known>();
  #directory = "";

  async home(domain: string, nodes: number, intervals: Partial<CopyIntervals> = {}) {
    this.#directory ||= await mkdtemp(join(tmpdir(), "hearthmesh-homes-"));
    const home = new TestHome(this, domain, join(this.#directory, domain), intervals);
    this.homes.push(home);
    await home.start(nodes);
    return home;
  }

  async close(): Promise<void> {
    for (const home of this.homes) await home.stop();
    if (this.#directory !== "") await rm(this.#directory, { recursive: true, force: true });
  }

  admit(known: Known, identity: LinkIdentity): NodeId {
    const nodeId = nodeIdOfPublicKey(identity.publicKey) as NodeId;
    this.#known.set(nodeId, known);
    return nodeId;
  }

  /** Somebody as the home of this domain sees it. */
  principal(nodeId: string, seenFrom: string): Principal {
    const known = this.#known.get(nodeId);
    if (known === undefined) throw new Error("nobody vouches for this key");
    const { domain, kind, name } = known;
    const isOwn = domain === seenFrom;
    return {
      kind: isOwn ? kind : "foreign",
      ...(isOwn ? {} : { foreignKind: kind }),
      spiffeId: `spiffe://${domain}/${kind === "person" ? "person" : "node"}/${name}`,
      trustDomain: domain as TrustDomain,
      name,
      nodeId: nodeId as NodeId,
      serial: "01",
      notAfterMs: Number.MAX_SAFE_INTEGER,
    };
  }

  listen(
    host: string,
    domain: string,
    identity: LinkIdentity,
    handlers: LinkHandlers,
    onLink: (link: Link) => void = () => undefined,
  ) {
    const options = this.#options(domain, identity, handlers);
    return listenLinks(this.#transport, { host, port: PORT }, options, onLink);
  }

  dial(host: string, domain: string, identity: LinkIdentity, handlers: LinkHandlers = {}) {
    return dialLink(
      this.#transport,
      { host, port: PORT },
      this.#options(domain, identity, handlers),
    );
  }

  #options(domain: string, identity: LinkIdentity, handlers: LinkHandlers) {
    const verifyPeer = (peer: { nodeId: string }) => this.principal(peer.nodeId, domain);
    return { identity, handlers, verifyPeer };
  }
}

export class TestHome {
  readonly store = memoryStore({ clock: systemClock() });
  readonly offers = new Map<string, QuotaOffer>();
  readonly nodes: RealNode[] = [];
  readonly operator: FileClient;
  readonly coordinator: Coordinator;
  readonly directory: string;
  readonly #around: Neighbourhood;
  readonly #domain: string;
  readonly #identity: LinkIdentity;
  readonly #nodeId: NodeId;
  readonly #pool: LinkPool;
  /** Peers that this home knows. */
  readonly peers = new Set<string>();
  /** Peers that do not answer now. */
  readonly cutOff = new Set<string>();
  #made = 0;
  #listener: Listener | undefined;

  constructor(
    around: Neighbourhood,
    domain: string,
    directory: string,
    intervals: Partial<CopyIntervals>,
  ) {
    this.#around = around;
    this.#domain = domain;
    this.directory = directory;
    this.#identity = newIdentity(`${domain}-coordinator`);
    const name = `${domain}-coordinator`;
    this.#nodeId = around.admit({ domain, kind: "coordinator", name }, this.#identity);
    this.#pool = this.pool(this.#identity);
    const self = () => around.principal(this.#nodeId, domain);
    this.operator = this.#client({
      call: (method, header, body) => this.coordinator.call(self(), method, header, body),
    });
    this.coordinator = new Coordinator({
      store: this.store,
      access: { authorize: () => undefined, visible: () => true },
      sign: (bytes) => this.#identity.sign(bytes),
      publicKeyDer: this.#identity.publicKey,
      nodeId: this.#nodeId,
      memberId: (domain.split(".")[1] ?? domain) as MemberId,
      clock: systemClock(),
      random: systemRandom(),
      log: silentLogger,
      epoch: 1,
      coordinatorSecret: randomBytes(32),
      intervals: { settleMs: 10, nodeLostMs: 50, garbageGraceMs: 0, walkPauseMs: 0 },
      quotas: {
        ownDomain: domain as TrustDomain,
        operator: self,
        get: (other) => this.offers.get(other),
        list: () => [...this.offers.values()],
      },
      copies: {
        keys: new CopyKeys(randomBytes(32)),
        ownDomain: domain,
        home: this.operator,
        links: this.#pool,
        friends: this.#friends(),
        // Tests say when they run.
        intervals: { queueMs: DAY_MS, walkMs: DAY_MS, lookMs: 0, ...intervals },
      },
    });
  }

  get domain(): string {
    return this.#domain;
  }

  async start(nodes: number): Promise<void> {
    await this.coordinator.start();
    const handlers = this.coordinator.handlers();
    this.#listener = await this.#around.listen(
      this.#domain,
      this.#domain,
      this.#identity,
      handlers,
      (link) => this.coordinator.attach(link),
    );
    for (let count = 0; count < nodes; count++) await this.addNode();
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop();
    await this.coordinator.stop();
    await this.#pool.close();
    await this.#listener?.close();
  }

  async addNode(): Promise<RealNode> {
    const domain = this.#domain;
    const name = `${domain}-node-${++this.#made}`;
    const identity = newIdentity(name);
    const node = new RealNode({
      ...{ name, identity, nodeId: this.#around.admit({ domain, kind: "node", name }, identity) },
      ...{ directory: join(this.directory, name), coordinatorHost: domain, port: PORT },
      listen: (host, own, handlers) => this.#around.listen(host, domain, own, handlers),
      dial: (host, own, handlers) => this.#around.dial(host, domain, own, handlers),
    });
    this.nodes.push(node);
    await node.start();
    return node;
  }

  offer(other: TestHome, bytes: number): void {
    const trustDomain = other.domain as TrustDomain;
    this.offers.set(other.domain, { trustDomain, bytes, offeredAtMs: 0 });
  }

  withdraw(other: TestHome): void {
    const offer = this.offers.get(other.domain);
    if (offer !== undefined) this.offers.set(other.domain, { ...offer, withdrawnAtMs: 1 });
  }

  /** A call as the operator. */
  async call<Answer>(method: string, header: object = {}): Promise<Answer> {
    const self = this.#around.principal(this.#nodeId, this.#domain);
    return (await this.coordinator.call(self, method, header)).header as Answer;
  }

  async run(worker: string): Promise<void> {
    const found = this.coordinator.workers().find(({ name }) => name === worker);
    if (found === undefined) throw new Error(`there is no worker ${worker}`);
    await found.runOnce();
  }

  pool(identity: LinkIdentity): LinkPool {
    return new LinkPool({
      dial: (address) => this.#around.dial(address.host, this.#domain, identity),
      clock: systemClock(),
      log: silentLogger,
      retryAfterMs: 0,
    });
  }

  /** The files of another home, as this home's coordinator. */
  filesAt(domain: string): FileClient {
    return this.#client(coordinatorOverLink(() => this.#linkTo(domain)));
  }

  #friends(): FriendsPort {
    return {
      list: () =>
        [...this.peers].map((trustDomain) => ({
          trustDomain,
          alias: trustDomain.split(".")[1] ?? "",
        })),
      askOffer: async (domain) => {
        const port = coordinatorOverLink(() => this.#linkTo(domain));
        return (await port.call("peer.quota", {})).header as Awaited<
          ReturnType<FriendsPort["askOffer"]>
        >;
      },
      files: (domain) => this.filesAt(domain),
    };
  }

  async #linkTo(domain: string): Promise<Link> {
    if (this.cutOff.has(domain)) throw new Error("the line is cut");
    const other = this.#around.homes.find((one) => one.domain === domain);
    if (other === undefined) throw new Error("there is no such home");
    return this.#pool.linkTo(coordinatorInfo(domain, other.#nodeId));
  }

  #client(coordinator: ConstructorParameters<typeof FileClient>[0]["coordinator"]): FileClient {
    return new FileClient({
      coordinator,
      links: this.#pool,
      self: this.#nodeId,
      clock: systemClock(),
      random: systemRandom(),
      log: silentLogger,
    });
  }
}

function coordinatorInfo(domain: string, nodeId: NodeId): NodeInfo {
  return {
    nodeId,
    name: domain,
    memberId: "x" as MemberId,
    roles: ["coordinator"],
    addresses: [`${domain}:${PORT}`],
    version: "1",
    state: "online",
    lastSeenMs: 0,
  };
}
