/** Links to another hub or relay when the one that was used is away. */
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { linkedRelays } from "./hub-monitor.js";
import { LINKED_AT_ONCE_MAX } from "./limits.js";
import { nameOf } from "./peer-monitor.js";
import { count, list } from "./text.js";

type Parts = Pick<MeshPart["parts"], "discovery" | "links" | "swim">;

export class FailOverHub implements Remedy {
  readonly name = "fail-over-hub";
  readonly handles = ["hub-lost"] as const;
  readonly cost = 0.1;
  readonly risk = 0.05;
  readonly verifyWithinMs = 5_000;
  readonly rate = { count: 3, windowMs: 600_000 };
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  describe({ subject }: Symptom): string {
    const names = this.#candidates(subject.id).map((nodeId) => nameOf(this.#parts, nodeId));
    const known = names.length === 0 ? "" : `: ${list(names)}`;
    return `link to another hub or relay instead of ${subject.name}${known}`;
  }

  blockedBy({ subject }: Symptom): string | undefined {
    const hubs = this.#parts.discovery.hubs().filter(({ label }) => label !== subject.id);
    if (hubs.length > 0 || this.#candidates(subject.id).length > 0) return undefined;
    return "no other hub or relay is known";
  }

  /** `MESH_UNREACHABLE` when none answers. */
  async apply({ subject }: Symptom, signal: AbortSignal): Promise<RemedyOutcome> {
    const { discovery, links } = this.#parts;
    const before = linkedRelays(this.#parts);
    if (before.length > 0) {
      const did = `links to ${this.#names(before)}, which can pass streams on, were open by then`;
      return { did, changedNothing: true };
    }
    discovery.askHubs();
    const candidates = this.#candidates(subject.id).slice(0, LINKED_AT_ONCE_MAX);
    await Promise.allSettled(candidates.map((nodeId) => links.directTo(nodeId, { signal })));
    const linked = linkedRelays(this.#parts);
    if (linked.length === 0) {
      throw new MeshError("MESH_UNREACHABLE", {
        message: `none of ${count(candidates.length, "other relay")} answers`,
      });
    }
    return { did: `links to ${this.#names(linked)} are open, which can pass streams on` };
  }

  #names(nodeIds: readonly NodeId[]): string {
    return list(nodeIds.map((nodeId) => nameOf(this.#parts, nodeId)));
  }

  /** Those that live and pass streams on, hubs first, without the one that is away. */
  #candidates(label: string): NodeId[] {
    const { discovery, swim } = this.#parts;
    const lost = discovery.hubs().find((hub) => hub.label === label)?.nodeId;
    return swim
      .peers()
      .filter(({ nodeId, relays, state }) => relays && state === "alive" && nodeId !== lost)
      .sort((a, b) => Number(b.isHub) - Number(a.isHub))
      .map(({ nodeId }) => nodeId);
  }
}
