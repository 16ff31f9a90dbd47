/** Dials a node or a hub now, by every address that is known, instead of when its back-off ends. */
import { type Clock, MeshError, type NodeId } from "@hearthmesh/core";
import type { Remedy, RemedyOutcome, Symptom } from "@hearthmesh/healing";
import type { AddressFailure, CandidateReport } from "@hearthmesh/membership";
import type { MeshPart } from "../../mesh/mesh-part.js";
import { DIAL_PATIENCE_MS } from "./limits.js";
import { linkOf } from "./peer-monitor.js";
import { count, list } from "./text.js";
import { holdsWithin } from "./waiting.js";

export interface RedialOptions {
  readonly parts: Pick<MeshPart["parts"], "discovery" | "links" | "swim">;
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

  blockedBy(): string | undefined {
    return undefined;
  }

  async apply({ kind, subject }: Symptom, signal: AbortSignal): Promise<RemedyOutcome> {
    const { discovery } = this.#options.parts;
    if (kind === "hub-lost") {
      const hub = () => discovery.hubs().find(({ label }) => label === subject.id);
      if (hub()?.isLinked === true) return openByThen(subject.name);
      discovery.askHubs();
      const nodeId = hub()?.nodeId;
      if (nodeId !== undefined) discovery.redial(nodeId);
      const isBack = await this.#within(() => hub()?.isLinked === true, signal);
      const why = hub()?.reason ?? "it does not answer";
      const did = `asked ${subject.name} where it is: ${isBack ? "a link is open" : why}`;
      return { did, changedNothing: !isBack && hub()?.reason !== undefined };
    }
    const nodeId = subject.id as NodeId;
    const open = linkOf(this.#options.parts, nodeId);
    if (kind === "peer-unreachable" && open?.kind === "direct") {
      return this.#waitFor(nodeId, subject.name, signal);
    }
    const isBack = open?.kind === "direct" || (kind === "route-missing" && open !== undefined);
    if (isBack) return openByThen(subject.name);
    // One through others is no reason to leave the direct way alone.
    return this.#dialNode(nodeId, subject.name, open !== undefined, signal);
  }

  /** A machine that stands still keeps its connections: a second link would be as silent. */
  async #waitFor(nodeId: NodeId, name: string, signal: AbortSignal): Promise<RemedyOutcome> {
    const { swim } = this.#options.parts;
    const isAlive = () => swim.peer(nodeId)?.state === "alive";
    const isBack = await this.#within(isAlive, signal);
    const open = `a link to ${name} is still open`;
    const what = isBack ? "it answers again" : "nothing comes through it";
    return { did: `${open}, and ${what}`, changedNothing: true };
  }

  async #dialNode(
    nodeId: NodeId,
    name: string,
    needsDirect: boolean,
    signal: AbortSignal,
  ): Promise<RemedyOutcome> {
    const { discovery, links, swim } = this.#options.parts;
    const linkAddresses = swim.peer(nodeId)?.linkAddresses ?? [];
    const fromMs = this.#options.clock.monotonicMs();
    discovery.addCandidate("gossip", { nodeId, linkAddresses });
    discovery.redial(nodeId);
    const isLinked = () => {
      const open = linkOf({ links }, nodeId);
      return open !== undefined && (open.kind === "direct" || !needsDirect);
    };
    const hasFailed = () => failedSince(discovery.found(nodeId), fromMs);
    await this.#within(() => isLinked() || hasFailed(), signal);
    const found = discovery.found(nodeId);
    const tried = found?.addresses ?? linkAddresses;
    const dialled = `dialled ${count(tried.length, "address", "addresses")} of ${name}`;
    const open = linkOf({ links }, nodeId);
    if (isLinked()) return { did: `${dialled}: a ${open?.kind} link is open` };
    if (tried.length === 0) {
      throw new MeshError("MESH_UNREACHABLE", { message: `no address of ${name} is known` });
    }
    // One that has not answered yet may still do so because it was dialled.
    const changedNothing = hasFailed();
    const why = changedNothing ? failuresText(found?.failures ?? []) : "none has answered yet";
    return { did: `${dialled}: ${why}`, changedNothing };
  }

  #within(holds: () => boolean, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    return holdsWithin(holds, DIAL_PATIENCE_MS, { clock, signal });
  }
}

/** It came back by itself, or the other side dialled. */
export function openByThen(name: string): RemedyOutcome {
  return { did: `a link to ${name} was open by then`, changedNothing: true };
}

/** A dial after that time, of the monotonic clock, has ended without a link. */
export function failedSince(found: CandidateReport | undefined, fromMs: number): boolean {
  return found?.isDialling === false && (found.lastErrorMs ?? 0) > fromMs;
}

/** Addresses that say the same are told of together. */
function failuresText(failures: readonly AddressFailure[]): string {
  const byReason = new Map<string, string[]>();
  for (const { address, reason } of failures) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), address]);
  }
  return [...byReason].map(([reason, all]) => `${reason} (${list(all)})`).join("; ");
}
