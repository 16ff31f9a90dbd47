/**
 * Whether all members of the store's etcd cluster answer, as the supervisor last saw. One that was
 * lost is spoken of until as many vote as before: taking it out mends nothing by itself.
 */
import type { Clock } from "@hearthmesh/core";
import type { Fact, Monitor, Subject } from "@hearthmesh/healing";
import type { SupervisorStatus } from "../../etcd/supervisor-status.js";
import { factOf } from "./fact-of.js";

/** Of members that were lost, the newest: there are five at most. */
const LOST_KEPT_MAX = 8;
/** A place that nobody takes for so long is meant to be empty, as after `mesh revoke`. */
const PLACE_KEPT_MS = 900_000;
/** That its place was taken is said for so long: longer than it has to hold. */
const PLACE_TAKEN_TOLD_MS = 30_000;
/** An etcd that joins is listed before it answers; without a vote nobody counts on it either. */
const LEARNER_HOLD_MS = 15_000;

interface Lost {
  readonly subject: Subject;
  /** That voted when it was lost, with it. */
  readonly voters: number;
  readonly atMs: number;
  /** When as many voted again; whoever is lost after that is another one. */
  readonly takenAtMs?: number;
}

export interface StoreMembersMonitorOptions {
  readonly clock: Clock;
  /** Undefined while another coordinator leads. */
  status(): SupervisorStatus | undefined;
}

export class StoreMembersMonitor implements Monitor {
  readonly name = "store-members";
  readonly #options: StoreMembersMonitorOptions;
  readonly #lost = new Map<string, Lost>();

  constructor(options: StoreMembersMonitorOptions) {
    this.#options = options;
  }

  async look(): Promise<readonly Fact[]> {
    const { clock, status: statusNow } = this.#options;
    const status = statusNow();
    if (status === undefined) {
      this.#lost.clear();
      return [];
    }
    const facts = storeMemberFacts(status);
    // Without a leader of etcd nobody lists them.
    if (facts.length === 0) return [...this.#lost.values()].map((lost) => unseen(lost, status));
    const voters = status.members.filter(({ role }) => role === "voter").length;
    for (const { subject, verdict } of facts) {
      if (verdict === "ill") this.#keep(subject, voters, clock.monotonicMs());
      else if (verdict === "well") this.#lost.delete(subject.id);
    }
    this.#forget(clock.monotonicMs());
    const listed = new Set(facts.map(({ subject }) => subject.id));
    const gone = [...this.#lost.values()].filter(({ subject }) => !listed.has(subject.id));
    return [...facts, ...gone.map((lost) => this.#place(lost, status))];
  }

  /** Of one that was taken out. */
  #place(lost: Lost, status: SupervisorStatus): Fact {
    const fact = placeFact(lost, status);
    if (fact.verdict === "well" && lost.takenAtMs === undefined) {
      const takenAtMs = this.#options.clock.monotonicMs();
      this.#lost.set(lost.subject.id, { ...lost, takenAtMs });
    }
    return fact;
  }

  #forget(nowMs: number): void {
    for (const [id, { atMs, takenAtMs = nowMs }] of this.#lost) {
      const isOver = nowMs - atMs > PLACE_KEPT_MS || nowMs - takenAtMs > PLACE_TAKEN_TOLD_MS;
      if (isOver) this.#lost.delete(id);
    }
  }

  #keep(subject: Subject, voters: number, atMs: number): void {
    const most = Math.max(voters, this.#lost.get(subject.id)?.voters ?? 0);
    this.#lost.delete(subject.id);
    this.#lost.set(subject.id, { subject, voters: most, atMs });
    const [oldest] = this.#lost.keys();
    if (this.#lost.size > LOST_KEPT_MAX && oldest !== undefined) this.#lost.delete(oldest);
  }
}

/** That a place was taken stays so. */
function unseen(lost: Lost, status: SupervisorStatus): Fact {
  if (lost.takenAtMs !== undefined) return placeFact(lost, status);
  const text = "the members of the store are not known";
  return factOf("store-member-lost", lost.subject, "unknown", text);
}

function placeFact(lost: Lost, { members, phase }: SupervisorStatus): Fact {
  const { subject, voters, takenAtMs } = lost;
  const voting = members.filter(({ role, health }) => role === "voter" && health === "ok").length;
  const values = { voters, voting, phase };
  const out = `${subject.name} was taken out`;
  if (takenAtMs !== undefined) {
    const text = `${out}, and ${voters} voted again after that`;
    return factOf("store-member-lost", subject, "well", text, values);
  }
  const text = `${out}; ${voting} vote, of ${voters} before`;
  return factOf("store-member-lost", subject, voting >= voters ? "well" : "ill", text, values);
}

export function storeMemberFacts({ members, phase }: SupervisorStatus): Fact[] {
  const healthy = members.filter(({ health }) => health === "ok").length;
  const voters = members.filter(({ role }) => role === "voter").length;
  return members.map(({ id, name, nodeId = "", role, health }) => {
    const subject: Subject = { type: "store", id, name: `the etcd of ${name || "a new member"}` };
    const values = { nodeId, role, healthy, voters, phase };
    const count = `${healthy} of ${members.length} members answer`;
    const tell = (verdict: Fact["verdict"], text: string) =>
      factOf("store-member-lost", subject, verdict, `${text}; ${count}`, values);
    if (health === "not started") return tell("unknown", `${subject.name} has not started yet`);
    if (health === "ok") return tell("well", `${subject.name} answers as a ${role}`);
    const silent = tell("ill", `${subject.name}, a ${role}, does not answer`);
    return role === "voter" ? silent : { ...silent, holdMs: LEARNER_HOLD_MS };
  });
}
