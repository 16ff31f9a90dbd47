/** Looks for a way to a node that lives and is not reached, and opens a link over it. */
import type { NodeId } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { linkOf, nameOf } from "./peer-monitor.js";
import { openByThen } from "./redial.js";
import { list } from "./text.js";

type Parts = Pick<MeshPart["parts"], "links" | "routes" | "swim">;

/** A first hop that just failed comes last for so long. */
const AVOID_MS = 30_000;

export class ReRoute implements Remedy {
  readonly name = "re-route";
  readonly handles = ["route-missing"] as const;
  readonly cost = 0.05;
  readonly risk = 0;
  readonly verifyWithinMs = 5_000;
  readonly rate = { count: 3, windowMs: 600_000 };
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  describe({ subject }: Symptom): string {
    return `try every way to ${subject.name}, directly and through relays`;
  }

  blockedBy(): string | undefined {
    return undefined;
  }

  /** Rejects with what each way said, when none works. */
  async apply({ subject }: Symptom, signal: AbortSignal): Promise<RemedyOutcome> {
    const { links, routes } = this.#parts;
    const nodeId = subject.id as NodeId;
    if (links.openLink(nodeId) !== undefined) return openByThen(subject.name);
    const stale = this.#staleHops(nodeId);
    for (const hop of stale) routes.avoid(hop, AVOID_MS);
    await links.linkTo(nodeId, { signal });
    const open = linkOf(this.#parts, nodeId);
    const via = (open?.via ?? []).map((relay) => nameOf(this.#parts, relay));
    const way = via.length === 0 ? "directly" : `through ${list(via)}`;
    const dropped = stale.map((hop) => nameOf(this.#parts, hop));
    const set = dropped.length === 0 ? "" : `, and set ways through ${list(dropped)} aside`;
    return { did: `opened a link to ${subject.name} ${way}${set}` };
  }

  /** First hops that are known to the routes, and that this node has no link to. */
  #staleHops(nodeId: NodeId): NodeId[] {
    const { links, routes } = this.#parts;
    const hops = routes.pathsTo(nodeId).flatMap(({ path }) => path.slice(0, 1));
    const relays = new Set(hops.filter((hop) => hop !== nodeId));
    return [...relays].filter((hop) => links.openLink(hop) === undefined);
  }
}
