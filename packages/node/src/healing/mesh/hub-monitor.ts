/**
 * Whether the hubs that the configuration names can be reached. One that is away is no trouble
 * while another hub or relay is linked, which does the same.
 */
import type { NodeId } from "@hearthmesh/core";
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { HubReport } from "@hearthmesh/membership";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { nameOf } from "./peer-monitor.js";
import { list } from "./text.js";

type Parts = Pick<MeshPart["parts"], "discovery" | "links" | "swim">;

export class HubMonitor implements Monitor {
  readonly name = "hubs";
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  watch(wake: () => void): () => void {
    return this.#parts.links.onLink(() => wake());
  }

  async look(): Promise<readonly Fact[]> {
    return this.#parts.discovery.hubs().map((hub) => this.#fact(hub));
  }

  #fact(hub: HubReport): Fact {
    const symptom = "hub-lost";
    const subject: Subject = { type: "hub", id: hub.label, name: hub.label };
    if (hub.isLinked === true) {
      return { symptom, subject, verdict: "well", evidence: "a direct link to it is open" };
    }
    const others = linkedRelays(this.#parts).filter((nodeId) => nodeId !== hub.nodeId);
    const values = { nodeId: hub.nodeId ?? "", relays: others.length };
    if (others.length > 0) {
      const names = list(others.map((nodeId) => nameOf(this.#parts, nodeId)));
      const evidence = `no link to it is open, and ${names} can pass streams on instead`;
      return { symptom, subject, verdict: "well", evidence, values };
    }
    if (hub.isLinked === undefined && hub.reason === undefined) {
      return { symptom, subject, verdict: "unknown", evidence: "it was not asked yet", values };
    }
    const why = hub.reason === undefined ? "" : ` (${hub.reason})`;
    const evidence = `no link to it is open, and no other relay is linked${why}`;
    return { symptom, subject, verdict: "ill", evidence, values };
  }
}

/** Nodes with a direct link that pass streams on for others. */
export function linkedRelays({ links, swim }: Pick<Parts, "links" | "swim">): NodeId[] {
  const direct = links.openLinks().filter(({ kind }) => kind === "direct");
  const nodeIds = new Set(direct.map(({ link }) => link.peer.nodeId as NodeId));
  return [...nodeIds].filter((nodeId) => swim.peer(nodeId)?.relays === true);
}
