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
import type { NodeInfo } from "../../types.js";
import { coordinatorOverLink } from "../coordinator-link.js";
import { FileClient } from "../file-client.js";
import { LinkPool } from "../link-pool.js";
import { RealNode } from "./real-node.js";
import { newIdentity } from "./small-node.js";

const PORT = 9000;

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
    await listenLinks(this.#transport, { host: "coordinator", port: PORT }, options, (link) =>
      this.coordinator.attach(link),
    );
    for (let at = 1; at <= nodeCount; at++) {
      const node = this.#newNode(`node-${at}`);
      this.nodes.push(node);
      await node.start();
    }
  }

  #newNode(name: string): RealNode {
    const identity = newIdentity(name);
    return new RealNode({
      ...{ name, identity, nodeId: this.admit("node", name, identity).nodeId },
      ...{ directory: join(this.#directory, name), coordinatorHost: "coordinator", port: PORT },
      listen: (host, own, handlers) => this.listen(host, own, handlers),
      dial: (host, own, handlers) => this.dial(host, own, { handlers }),
    });
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
      addresses: [`coordinator:${PORT}`],
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
    return dialLink(this.#transport, { host, port: PORT }, options);
  }

  listen(host: string, identity: LinkIdentity, handlers: LinkOptions["handlers"]) {
    const options = this.#options(identity, handlers);
    return listenLinks(this.#transport, { host, port: PORT }, options, () => undefined);
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
