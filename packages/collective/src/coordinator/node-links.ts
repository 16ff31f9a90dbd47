/**
 * The open links of nodes. A request says which peer sent it, and not over which link; the links
 * are handed in beside the requests, and a first request may come before its link.
 */
import { type Clock, MeshError } from "@hearthmesh/core";
import type { Link, Peer } from "@hearthmesh/qwormhole";

/** A link is handed in as soon as its handshake is done: this long is for a very busy machine. */
const ATTACH_TIMEOUT_MS = 5_000;
/** Links that one node may have open: its own, its gateway's, and old ones that are ending. */
const LINKS_PER_NODE_MAX = 16;

export class NodeLinks {
  readonly #clock: Clock;
  readonly #links = new Map<string, Link[]>();
  readonly #waiting = new Set<(link: Link) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `onClosed` is called once, when the link has ended. */
  attach(link: Link, onClosed: (error: Error | undefined) => void): void {
    const { nodeId } = link.peer;
    const links = [...(this.#links.get(nodeId) ?? []), link];
    const tooMany = links.length > LINKS_PER_NODE_MAX ? links.shift() : undefined;
    this.#links.set(nodeId, links);
    tooMany?.destroy(new MeshError("MESH_LIMIT", { message: "the node has too many links" }));
    for (const tell of [...this.#waiting]) tell(link);
    void link.closed.then(({ error }) => {
      this.#detach(link);
      onClosed(error);
    });
  }

  /** The latest that is open. */
  openLink(nodeId: string): Link | undefined {
    return (this.#links.get(nodeId) ?? []).filter((link) => link.isOpen).at(-1);
  }

  /** The link that the peer speaks over. `MESH_UNREACHABLE` when it was never handed in. */
  async linkOf(peer: Peer): Promise<Link> {
    const known = this.#find(peer);
    if (known !== undefined) return known;
    return new Promise((resolve, reject) => {
      const tell = (link: Link) => {
        if (link.peer.nodeId !== peer.nodeId) return;
        timer.cancel();
        this.#waiting.delete(tell);
        resolve(link);
      };
      const timer = this.#clock.setTimeout(() => {
        this.#waiting.delete(tell);
        reject(new MeshError("MESH_UNREACHABLE", { message: "the link of the node has ended" }));
      }, ATTACH_TIMEOUT_MS);
      this.#waiting.add(tell);
    });
  }

  #find(peer: Peer): Link | undefined {
    const open = (this.#links.get(peer.nodeId) ?? []).filter((link) => link.isOpen);
    return open.find((link) => link.peer === peer) ?? open.at(-1);
  }

  #detach(link: Link): void {
    const { nodeId } = link.peer;
    const left = (this.#links.get(nodeId) ?? []).filter((one) => one !== link);
    if (left.length === 0) this.#links.delete(nodeId);
    else this.#links.set(nodeId, left);
  }
}
