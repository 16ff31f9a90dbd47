/**
 * A file client, the real coordinator and real storage nodes on disk, over links in one process.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
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
  type LinkOptions,
  listenLinks,
  memoryTransport,
  nodeIdOfPublicKey,
  type Peer,
} from "@hearthmesh/qwormhole";
import { memoryStore } from "@hearthmesh/store";
import { Coordinator } from "../../coordinator/coordinator.js";
import { GrantPolicy, testPrincipal } from "../../coordinator/testing/grant-policy.js";
import { PEER_CALL, PeerCalls } from "../../federation/peer-calls.js";
import { PeerStreams } from "../../federation/peer-streams.js";
import { fileDisk } from "../../storage/file-disk.js";
import { NodeAgent } from "../../storage/node-agent.js";
import { openPackStore, type PackStore } from "../../storage/pack-store.js";
import { StorageNode } from "../../storage/storage-node.js";
import type { NodeInfo } from "../../types.js";
import { coordinatorOverLink } from "../coordinator-link.js";
import { FileClient } from "../file-client.js";
import { LinkPool } from "../link-pool.js";
import { newIdentity } from "./small-node.js";

const CAPACITY_BYTES = 2 ** 30;

export class RealWorld {
  readonly coordinator: Coordinator;
  readonly nodes: RealNode[] = [];
  readonly policy = new GrantPolicy();
  readonly #transport = memoryTransport();
  readonly #principals = new Map<string, Principal>();
  readonly #own = newIdentity("alice-coordinator");
  readonly #clock = systemClock();
  readonly #pools: LinkPool[] = [];
  readonly #ownLinks = this.links(this.#own);
  #directory = "";

  constructor() {
    this.coordinator = new Coordinator({
      store: memoryStore({ clock: this.#clock }),
      access: this.policy,
      sign: (bytes) => this.#own.sign(bytes),
      publicKeyDer: this.#own.publicKey,
      nodeId: this.admit("coordinator", "alice-coordinator", this.#own).nodeId,
      memberId: "alice" as NodeInfo["memberId"],
      clock: this.#clock,
      random: systemRandom(),
      log: silentLogger,
      epoch: 1,
      coordinatorSecret: randomBytes(32),
    });
  }

  async start(nodeCount: number): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), "hearthmesh-files-"));
    await this.coordinator.start();
    const options = this.#options(this.#own, this.#handlers());
    await listenLinks(this.#transport, { host: "coordinator", port: 9000 }, options, (link) =>
      this.coordinator.attach(link),
    );
    for (let at = 1; at <= nodeCount; at++) {
      const node = new RealNode(this, `node-${at}`, join(this.#directory, `node-${at}`));
      this.nodes.push(node);
      await node.start();
    }
  }

  async stop(): Promise<void> {
    for (const pool of this.#pools) await pool.close();
    for (const node of this.nodes) await node.stop();
    await this.coordinator.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** A person with these grants, such as `/shared:read+write`. */
  client(name: string, ...grants: string[]): FileClient {
    const identity = newIdentity(name);
    const principal = this.admit("person", `${name}@home.alice`, identity);
    this.policy.grant(principal, ...grants);
    const pool = this.links(identity);
    return new FileClient({
      coordinator: coordinatorOverLink((signal) => pool.linkTo(this.coordinatorNode, signal)),
      links: pool,
      self: principal.nodeId,
      clock: this.#clock,
      random: systemRandom(),
      log: silentLogger,
    });
  }

  /** Links with this key; hosts that `isCut` names cannot be dialled. */
  links(identity: LinkIdentity, isCut: (host: string) => boolean = () => false): LinkPool {
    const pool = new LinkPool({
      dial: async (address, more) => {
        if (isCut(address.host)) throw new Error("no way through the router");
        return this.dial(address.host, identity, more);
      },
      clock: this.#clock,
      log: silentLogger,
    });
    this.#pools.push(pool);
    return pool;
  }

  get coordinatorNode(): NodeInfo {
    return {
      nodeId: nodeIdOfPublicKey(this.#own.publicKey) as NodeId,
      name: "alice-coordinator",
      memberId: "alice" as NodeInfo["memberId"],
      roles: ["coordinator"],
      addresses: ["coordinator:9000"],
      version: "1",
      state: "online",
      lastSeenMs: 0,
    };
  }

  /** Somebody of another member, as its certificate would say. */
  admitForeign(
    kind: PrincipalKind,
    [trustDomain, name]: readonly [string, string],
    identity: LinkIdentity,
  ): Principal {
    const principal: Principal = {
      ...this.admit(kind, name, identity),
      kind: "foreign",
      foreignKind: kind,
      spiffeId: `spiffe://${trustDomain}/${kind}/${name}`,
      trustDomain: trustDomain as TrustDomain,
    };
    this.#principals.set(principal.nodeId, principal);
    return principal;
  }

  admit(kind: PrincipalKind, name: string, identity: LinkIdentity): Principal {
    const nodeId = nodeIdOfPublicKey(identity.publicKey) as NodeId;
    const principal = testPrincipal(kind, name, nodeId);
    this.#principals.set(nodeId, principal);
    return principal;
  }

  dial(host: string, identity: LinkIdentity, more: Partial<LinkOptions> = {}): Promise<Link> {
    const options = { ...this.#options(identity, {}), ...more };
    return dialLink(this.#transport, { host, port: 9000 }, options);
  }

  listen(host: string, identity: LinkIdentity, handlers: LinkOptions["handlers"]) {
    const options = this.#options(identity, handlers);
    return listenLinks(this.#transport, { host, port: 9000 }, options, () => undefined);
  }

  /** As the links of a coordinator's node serve them. */
  #handlers(): LinkHandlers {
    const own = this.coordinator.handlers();
    const peers = new PeerCalls({ call: (...call) => this.coordinator.call(...call) }).handlers();
    const files = (principal: Principal) => this.#filesFor(principal);
    const streams = new PeerStreams({ files, access: this.policy }).handlers();
    const partOf = (method: string) => (method === PEER_CALL ? peers : own);
    return {
      onRequest: (request) => partOf(request.method).onRequest?.(request) ?? new Uint8Array(0),
      ...streams,
    };
  }

  /** As the coordinator's node acts for somebody: with its own key. */
  #filesFor(principal: Principal): FileClient {
    const self = this.coordinatorNode.nodeId;
    return new FileClient({
      coordinator: {
        call: (method, header, body) =>
          this.coordinator.call(principal, method, header, body, { holder: self }),
      },
      links: this.#ownLinks,
      self,
      clock: this.#clock,
      random: systemRandom(),
      log: silentLogger,
    });
  }

  #options(identity: LinkIdentity, handlers: LinkOptions["handlers"]): LinkOptions {
    const verifyPeer = (peer: Omit<Peer, "identity">) => this.#principals.get(peer.nodeId);
    return { identity, handlers, verifyPeer };
  }
}

export class RealNode {
  readonly #world: RealWorld;
  readonly #identity: LinkIdentity;
  readonly #principal: Principal;
  readonly #directory: string;
  #chunks: PackStore | undefined;
  #agent: NodeAgent | undefined;
  #listener: Awaited<ReturnType<RealWorld["listen"]>> | undefined;

  constructor(
    world: RealWorld,
    readonly name: string,
    directory: string,
  ) {
    this.#world = world;
    this.#identity = newIdentity(name);
    this.#directory = directory;
    this.#principal = world.admit("node", name, this.#identity);
  }

  async start(): Promise<void> {
    const clock = systemClock();
    const log = silentLogger;
    const disk = fileDisk(this.#directory);
    const chunkStore = await openPackStore({ disk, clock, log, capacityBytes: CAPACITY_BYTES });
    this.#chunks = chunkStore;
    const dial = ({ addresses }: { addresses: readonly string[] }) =>
      this.#world.dial(addresses[0]?.split(":")[0] ?? "", this.#identity);
    const { nodeId } = this.#principal;
    const part = new StorageNode({ nodeId, chunkStore, clock, log, dial });
    this.#listener = await this.#world.listen(this.name, this.#identity, part.handlers);
    await new Promise<void>((resolve) => {
      this.#agent = new NodeAgent({
        dialCoordinator: () =>
          this.#world.dial("coordinator", this.#identity, { handlers: part.handlers }),
        describe: () => ({
          roles: ["storage"],
          site: "home",
          addresses: [`${this.name}:9000`],
          version: "1",
        }),
        report: () => chunkStore.report(),
        onRegistered: (_, registration) => {
          part.setRegistration(registration);
          resolve();
        },
        clock,
        random: systemRandom(),
        log,
      });
      void this.#agent.start();
    });
  }

  /** Links break and nobody listens, as when the process is killed. */
  async kill(): Promise<void> {
    await this.#listener?.close();
    for (const link of this.#listener?.links ?? []) link.destroy(new Error("killed"));
    await this.#agent?.stop();
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#chunks?.close();
  }
}
