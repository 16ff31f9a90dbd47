/** Dials a node or a hub now, by every address that is known, instead of when its back-off ends. */
import type { Clock, NodeId } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { DIAL_PATIENCE_MS } from "./limits.js";
import { linkOf } from "./peer-monitor.js";
import { count } from "./text.js";
import { holdsWithin } from "./waiting.js";

export interface RedialOptions {
  readonly parts: Pick<MeshPart["parts"], "discovery" | "links" | "swim">;
  /** While this side is cut off, all that are lost are dialled by another remedy. */
  isPartition(): boolean;
  readonly clock: Clock;
}

export class Redial implements Remedy {
  readonly name = "redial";
  readonly handles = ["peer-unreachable", "peer-relayed", "route-missing", "hub-lost"] as const;
  readonly cost = 0.05;
  readonly risk = 0;
  readonly verifyWithinMs = 5_000;
  readonly rate = { count: 2, windowMs: 600_000 };
  readonly #options: RedialOptions;

  constructor(options: RedialOptions) {
    this.#options = options;
  }

  describe({ subject }: Symptom): string {
    return `dial every known address of ${subject.name} now`;
  }

  blockedBy({ kind }: Symptom): string | undefined {
    if (kind !== "peer-unreachable" || !this.#options.isPartition()) return undefined;
    return "this side is cut off; all lost nodes are dialled together";
  }

  async apply({ kind, subject }: Symptom, signal: AbortSignal): Promise<RemedyOutcome> {
    const { discovery } = this.#options.parts;
    if (kind === "hub-lost") {
      discovery.askHubs();
      const hub = () => discovery.hubs().find(({ label }) => label === subject.id);
      const nodeId = hub()?.nodeId;
      if (nodeId !== undefined) discovery.redial(nodeId);
      const isBack = await this.#within(() => hub()?.isLinked === true, signal);
      const why = hub()?.reason ?? "it does not answer";
      return { did: `asked ${subject.name} where it is: ${isBack ? "a link is open" : why}` };
    }
    return this.#dialNode(subject.id as NodeId, subject.name, kind === "peer-relayed", signal);
  }

  async #dialNode(
    nodeId: NodeId,
    name: string,
    needsDirect: boolean,
    signal: AbortSignal,
  ): Promise<RemedyOutcome> {
    const { discovery, links, swim } = this.#options.parts;
    const linkAddresses = swim.peer(nodeId)?.linkAddresses ?? [];
    discovery.addCandidate("gossip", { nodeId, linkAddresses });
    discovery.redial(nodeId);
    const isLinked = () => {
      const open = linkOf(this.#options.parts, nodeId);
      return open !== undefined && (open.kind === "direct" || !needsDirect);
    };
    const isBack = await this.#within(isLinked, signal);
    const found = discovery.report().peers.find((one) => one.nodeId === nodeId);
    const tried = found?.addresses ?? linkAddresses;
    const dialled = `dialled ${count(tried.length, "address", "addresses")} of ${name}`;
    const open = linkOf({ links }, nodeId);
    if (isBack) return { did: `${dialled}: a ${open?.kind} link is open` };
    if (tried.length === 0) throw new Error(`no address of ${name} is known`);
    return { did: `${dialled}: ${found?.lastError ?? "none has answered yet"}` };
  }

  #within(holds: () => boolean, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    return holdsWithin(holds, DIAL_PATIENCE_MS, { clock, signal });
  }
}
