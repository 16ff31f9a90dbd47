/** Shared links to storage nodes, also to this one: what file clients and repair use. */
import type { NodeInfo, NodeLinks } from "@hearthmesh/collective";
import { LinkPool } from "@hearthmesh/collective/client";
import { type Clock, isMeshError, type Logger, type NodeId, parseMemberId } from "@hearthmesh/core";
import type { MeshLinks } from "@hearthmesh/membership";
import type { Link } from "@hearthmesh/qwormhole";
import type { NodeRecord } from "./home.js";
import type { LinkDoors } from "./link-doors.js";

export class PeerLinks implements NodeLinks {
  readonly #record: NodeRecord;
  readonly #doors: LinkDoors;
  readonly #pool: LinkPool;
  readonly #mesh: () => Pick<MeshLinks, "openLink" | "linkTo"> | undefined;
  #self: Promise<Link> | undefined;

  /** `mesh` also knows the ways through relays; undefined while the mesh is off. */
  constructor(
    record: NodeRecord,
    doors: LinkDoors,
    mesh: () => Pick<MeshLinks, "openLink" | "linkTo"> | undefined,
    tools: { clock: Clock; log: Logger },
  ) {
    this.#record = record;
    this.#doors = doors;
    this.#mesh = mesh;
    this.#pool = new LinkPool({
      dial: (address, options) => doors.dial(address, options),
      ...tools,
    });
  }

  linkTo(node: NodeInfo, signal?: AbortSignal): Promise<Link> {
    return node.nodeId === this.#record.nodeId ? this.#linkToSelf() : this.#linkTo(node, signal);
  }

  /** The link that is open; else by the addresses that are known here; else as the mesh knows. */
  async #linkTo(node: NodeInfo, signal: AbortSignal | undefined): Promise<Link> {
    const mesh = this.#mesh();
    const open = mesh?.openLink(node.nodeId);
    if (open !== undefined) return open;
    try {
      return await this.#pool.linkTo(node, signal);
    } catch (error) {
      if (mesh === undefined || !isMeshError(error, "MESH_UNREACHABLE")) throw error;
      return mesh.linkTo(node.nodeId, signal === undefined ? {} : { signal });
    }
  }

  /** For callers that know no more of a node than where it is. */
  linkToAddresses(nodeId: NodeId, addresses: readonly string[]): Promise<Link> {
    return this.linkTo({
      nodeId,
      name: nodeId,
      memberId: parseMemberId(this.#record.memberId),
      roles: ["storage"],
      addresses,
      version: "",
      state: "online",
      lastSeenMs: 0,
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #linkToSelf(): Promise<Link> {
    const present = await this.#self?.catch(() => undefined);
    if (present?.isOpen === true) return present;
    this.#self = this.#doors.dialSelf();
    return this.#self;
  }
}
