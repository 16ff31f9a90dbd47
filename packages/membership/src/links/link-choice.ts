/**
 * Which of the links to a node is used. No I/O, no time: links are only looked at (`isOpen`).
 *
 * A direct link goes before a relayed one. Of two links of one kind, both ends use the one that the
 * node with the lower id dialled; of two that the same node dialled, the later one, because who
 * dials again has lost the first one, or knows a reason. Only who has dialled a link retires it for
 * another one: so the ends never retire both, and never the last one that the other end has.
 */
import type { NodeId } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import type { LinkPath, OpenLink } from "../ports.js";
import { LINKS_PER_NODE_MAX } from "./limits.js";

export type LinkOrigin = "dialled" | "accepted";

export interface KnownLink extends OpenLink {
  readonly nodeId: NodeId;
  readonly origin: LinkOrigin;
}

export interface LinkChanges {
  /** In use until now, and no longer. */
  readonly closed: readonly OpenLink[];
  readonly opened: readonly OpenLink[];
  /** One too many for its node. */
  readonly excess?: Link;
}

const NO_CHANGES: LinkChanges = { closed: [], opened: [] };

export class LinkChoice {
  readonly #self: NodeId;
  /** The latest last. */
  readonly #known = new Map<NodeId, KnownLink[]>();
  readonly #used = new Map<string, KnownLink>();

  constructor(self: NodeId) {
    this.#self = self;
  }

  knows(nodeId: NodeId, link: Link): boolean {
    return (this.#known.get(nodeId) ?? []).some((one) => one.link === link);
  }

  /** A link that is not known yet. */
  add(nodeId: NodeId, link: Link, path: LinkPath, origin: LinkOrigin): LinkChanges {
    const known = this.#known.get(nodeId) ?? [];
    known.push({ nodeId, link, kind: path.kind, via: path.via, origin });
    this.#known.set(nodeId, known);
    const changes = this.#choose(nodeId, path.kind);
    const same = known.filter(({ kind }) => kind === path.kind);
    if (same.length <= LINKS_PER_NODE_MAX) return changes;
    const used = this.#used.get(keyOf(nodeId, path.kind));
    const excess = same.find((one) => one !== used);
    return excess === undefined ? changes : { ...changes, excess: excess.link };
  }

  remove(nodeId: NodeId, link: Link): LinkChanges {
    const known = this.#known.get(nodeId) ?? [];
    const at = known.findIndex((one) => one.link === link);
    const gone = known[at];
    if (gone === undefined) return NO_CHANGES;
    known.splice(at, 1);
    if (known.length === 0) this.#known.delete(nodeId);
    return this.#choose(nodeId, gone.kind);
  }

  /** The link for new work. */
  best(nodeId: NodeId): KnownLink | undefined {
    return this.bestOf(nodeId, "direct") ?? this.bestOf(nodeId, "relayed");
  }

  /** One that is closing gives way to another at once, before it is gone. */
  bestOf(nodeId: NodeId, kind: LinkPath["kind"]): KnownLink | undefined {
    const used = this.#used.get(keyOf(nodeId, kind));
    if (used === undefined || used.link.isOpen) return used;
    return this.#first(nodeId, kind);
  }

  /** Links that this end should retire, because another of their node is used instead. */
  retirable(nodeId: NodeId): KnownLink[] {
    const best = this.best(nodeId);
    return (this.#known.get(nodeId) ?? []).filter(
      (one) => one !== best && one.link.isOpen && this.#isRetirable(one, best),
    );
  }

  open(): KnownLink[] {
    const kinds = ["direct", "relayed"] as const;
    const used = [...this.#known.keys()].flatMap((nodeId) =>
      kinds.map((kind) => this.bestOf(nodeId, kind)),
    );
    return used.filter((one) => one !== undefined);
  }

  /** Each one that is known, also those that are not used. */
  all(): KnownLink[] {
    return [...this.#known.values()].flat();
  }

  #isRetirable(one: KnownLink, best: KnownLink | undefined): boolean {
    if (best === undefined) return false;
    // For a better kind both ends agree; who has no direct link yet has it in a moment.
    if (one.kind !== best.kind) return best.kind === "direct";
    return one.origin === "dialled";
  }

  #choose(nodeId: NodeId, kind: LinkPath["kind"]): LinkChanges {
    const key = keyOf(nodeId, kind);
    const before = this.#used.get(key);
    const after = this.#first(nodeId, kind);
    if (before === after) return NO_CHANGES;
    if (after === undefined) this.#used.delete(key);
    else this.#used.set(key, after);
    return {
      closed: before === undefined ? [] : [before],
      opened: after === undefined ? [] : [after],
    };
  }

  #first(nodeId: NodeId, kind: LinkPath["kind"]): KnownLink | undefined {
    const lower: LinkOrigin = this.#self < nodeId ? "dialled" : "accepted";
    const open = (this.#known.get(nodeId) ?? []).filter(
      (one) => one.kind === kind && one.link.isOpen,
    );
    return open.findLast(({ origin }) => origin === lower) ?? open.at(-1);
  }
}

function keyOf(nodeId: NodeId, kind: LinkPath["kind"]): string {
  return `${kind} ${nodeId}`;
}
