/** Real links between made-up machines over a memory transport, for tests. */
import { generateKeyPairSync } from "node:crypto";
import type { NodeId, TrustDomain } from "@hearthmesh/core";
import type { Principal, PrincipalKind } from "@hearthmesh/identity";
import {
  dialLink,
  type Link,
  type LinkHandlers,
  type LinkIdentity,
  linkIdentityOf,
  listenLinks,
  memoryTransport,
  nodeIdOfPublicKey,
} from "@hearthmesh/qwormhole";

/** A key pair with a name. */
export interface Machine {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly nodeId: NodeId;
  readonly identity: LinkIdentity;
}

/** Machines that know each other's keys, as a CA would vouch for them. */
export class TestMesh {
  readonly transport = memoryTransport();
  readonly #machines = new Map<string, Machine>();
  readonly #links = new Set<Link>();

  machine(name: string, kind: PrincipalKind = "node"): Machine {
    const { privateKey } = generateKeyPairSync("ed25519");
    const identity = linkIdentityOf(privateKey);
    const nodeId = nodeIdOfPublicKey(identity.publicKey) as NodeId;
    const machine = { name, kind, nodeId, identity };
    this.#machines.set(nodeId, machine);
    return machine;
  }

  async listen(
    machine: Machine,
    handlers: LinkHandlers,
    onLink: (link: Link) => void = () => undefined,
  ): Promise<void> {
    const address = { host: machine.name, port: 1 };
    await listenLinks(this.transport, address, this.#options(machine, handlers), (link) => {
      this.#links.add(link);
      onLink(link);
    });
  }

  async dial(from: Machine, to: Machine, handlers: LinkHandlers = {}): Promise<Link> {
    const options = { ...this.#options(from, handlers), expectedNodeId: to.nodeId };
    const link = await dialLink(this.transport, { host: to.name, port: 1 }, options);
    this.#links.add(link);
    return link;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.close("the test is over", 0)));
  }

  #options(machine: Machine, handlers: LinkHandlers) {
    return {
      identity: machine.identity,
      handlers,
      verifyPeer: (peer: { nodeId: string }) => this.#principalOf(peer.nodeId),
    };
  }

  #principalOf(nodeId: string): Principal {
    const machine = this.#machines.get(nodeId);
    if (machine === undefined) throw new Error("nobody vouches for this machine");
    return {
      kind: machine.kind,
      spiffeId: `spiffe://home.alice/${machine.kind}/${machine.name}`,
      trustDomain: "home.alice" as TrustDomain,
      name: machine.name,
      nodeId: machine.nodeId,
      serial: "01",
      notAfterMs: Number.MAX_SAFE_INTEGER,
    };
  }
}
