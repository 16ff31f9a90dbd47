/** Links between the nodes of a test, by the address where a node listens. */
import { MeshError, type NodeId } from "@hearthmesh/core";
import { formatEndpoint } from "@hearthmesh/identity";
import type { Link } from "@hearthmesh/qwormhole";
import type { LinkDialer, MeshLinks, OpenLink } from "../../ports.js";

type Listener = (open: OpenLink, isOpen: boolean) => void;

/** The links that one node has open. */
export class FakeLinks implements Pick<MeshLinks, "onLink" | "openLinks"> {
  readonly #open = new Map<NodeId, OpenLink>();
  readonly #listeners = new Set<Listener>();

  openLinks(): readonly OpenLink[] {
    return [...this.#open.values()];
  }

  onLink(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(link: Link): void {
    const nodeId = link.peer.nodeId as NodeId;
    if (this.#open.has(nodeId)) return;
    const open: OpenLink = { link, kind: "direct", via: [] };
    this.#open.set(nodeId, open);
    for (const listener of this.#listeners) listener(open, true);
  }

  drop(nodeId: NodeId): void {
    const open = this.#open.get(nodeId);
    if (open === undefined) return;
    this.#open.delete(nodeId);
    for (const listener of this.#listeners) listener(open, false);
  }

  has(nodeId: NodeId): boolean {
    return this.#open.has(nodeId);
  }
}

/** Who listens where, and what each dial asked for. */
export class FakeNetwork {
  readonly #listening = new Map<string, { nodeId: NodeId; links: FakeLinks }>();
  readonly dialled: string[] = [];

  listen(address: string, nodeId: NodeId, links: FakeLinks): void {
    this.#listening.set(address, { nodeId, links });
  }

  silence(address: string): void {
    this.#listening.delete(address);
  }

  dialerOf(nodeId: NodeId): Pick<LinkDialer, "dial"> {
    return {
      dial: async (target, { expectedNodeId }) => {
        const address = formatEndpoint(target);
        this.dialled.push(address);
        await new Promise((resolve) => setImmediate(resolve));
        const there = this.#listening.get(address);
        if (there === undefined) {
          throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
        }
        if (there.nodeId === nodeId) {
          throw Object.assign(new Error("self"), { code: "QW_SELF_CONNECT" });
        }
        if (expectedNodeId !== undefined && expectedNodeId !== there.nodeId) {
          throw new MeshError("MESH_CERT_UNTRUSTED", { message: "another node answers there" });
        }
        there.links.add(linkTo(nodeId));
        return linkTo(there.nodeId);
      },
    };
  }
}

/** Only what discovery looks at. */
export function linkTo(nodeId: NodeId): Link {
  const peer = {
    nodeId,
    publicKey: new Uint8Array(),
    certificates: [],
    tags: {},
    identity: undefined,
    remoteAddress: "",
  };
  const link: Partial<Link> = { peer, isOpen: true, close: async () => undefined };
  return link as Link;
}
