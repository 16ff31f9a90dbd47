/**
 * Who led before, when another coordinator leads, or the same one anew: a line in the history. The
 * coordinator that leads from now on tells it, for the one before may be dead.
 *
 * Without I/O: `see` is handed every state of the leadership, `facts` says what is told now.
 * Invariants: nothing is told by a coordinator that does not lead, nor of a first leader; a change
 * is told once, by the epoch that came of it, and is over after `LEAD_CHANGE_TOLD_MS` or when
 * another one leads again. It knows as many subjects as coordinators led within that time. No
 * errors.
 */
import type { Leader, LeadershipState } from "@hearthmesh/collective";
import type { Fact, Subject } from "@hearthmesh/healing";
import type { PeerState } from "@hearthmesh/membership";
import { factOf } from "./fact-of.js";
import { LEAD_CHANGE_TOLD_MS } from "./limits.js";

export interface LeadChangesOptions {
  readonly nodeId: string;
  /** What membership says of a node now; undefined: nothing. */
  peerState(nodeId: string): PeerState | undefined;
}

interface Told {
  readonly subject: Subject;
  readonly evidence: string;
  readonly values: NonNullable<Fact["values"]>;
  readonly atMs: number;
}

const HOW: Readonly<Record<PeerState | "unheard-of", string>> = {
  alive: "it is there, and gave the lead back or did not renew its lease in time",
  suspect: "it does not answer, and its lease was over",
  dead: "membership had declared it dead",
  left: "it had said goodbye",
  "unheard-of": "its lease was over",
};

export class LeadChanges {
  readonly #options: LeadChangesOptions;
  /** The newest leader that was seen, and whether it was seen not to lead any more. */
  #last: { readonly leader: Leader; readonly isOver: boolean } | undefined;
  readonly #told = new Map<string, Told>();

  constructor(options: LeadChangesOptions) {
    this.#options = options;
  }

  /** `nowMs`: monotonic. */
  see({ role, leader }: Pick<LeadershipState, "role" | "leader">, nowMs: number): void {
    const before = this.#last;
    if (leader === undefined) {
      if (before !== undefined) this.#last = { ...before, isOver: true };
      return;
    }
    if (before !== undefined && leader.epoch < before.leader.epoch) return;
    const { nodeId } = this.#options;
    const isOther = before?.leader.nodeId !== leader.nodeId;
    // A lone coordinator raises its epoch while it leads.
    const isChange = leader.epoch !== before?.leader.epoch && (isOther || before.isOver);
    this.#last = { leader, isOver: false };
    if (!isChange || before === undefined || role !== "leader" || leader.nodeId !== nodeId) return;
    this.#told.set(before.leader.nodeId, this.#change(before.leader, leader, nowMs));
  }

  facts({ leader }: Pick<LeadershipState, "leader">, nowMs: number): Fact[] {
    return [...this.#told].map(([id, { subject, evidence, values, atMs }]) => {
      const tell = (verdict: Fact["verdict"], text: string) =>
        factOf("lead-changed", subject, verdict, text, values);
      const isOurs = leader === undefined || leader.nodeId === this.#options.nodeId;
      if (isOurs && nowMs - atMs < LEAD_CHANGE_TOLD_MS) return tell("ill", evidence);
      this.#told.delete(id);
      return tell("well", leader === undefined ? "nobody leads" : leads(leader));
    });
  }

  #change(before: Leader, leader: Leader, atMs: number): Told {
    const { nodeId, data } = before;
    const subject: Subject = { type: "coordinator", id: nodeId, name: data.name };
    const how =
      nodeId === leader.nodeId
        ? "it had not renewed its lease in time, and nobody else took the lead"
        : HOW[this.#options.peerState(nodeId) ?? "unheard-of"];
    const evidence = `${leads(leader)}, after ${data.name} by epoch ${before.epoch}; ${how}`;
    const values = { leader: leader.nodeId, epoch: leader.epoch, epochBefore: before.epoch };
    return { subject, evidence, values, atMs };
  }
}

const leads = ({ data, epoch }: Leader) => `${data.name} leads, by epoch ${epoch}`;
