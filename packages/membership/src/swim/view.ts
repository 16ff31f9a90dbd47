/**
 * What this node believes of everybody, and how claims change it.
 *
 * Rules (SWIM, 4.2): a node's own word with a higher incarnation beats everything about lower ones;
 * a suspicion beats the own word of the same incarnation; dead beats a suspicion. Only a node
 * itself makes its incarnation higher, which is how it refutes. A belief about a node whose record
 * is not known here is not taken: it could be about anybody.
 *
 * Members may lie about each other, and only who speaks directly is certain. So a belief counts
 * when who has it is present; "dead" is believed when the node was suspected here and nothing came
 * from it for the shortest suspicion, and is a suspicion until then; and what others say about this
 * node makes its incarnation higher by one at most. A jump needs a record that it signed itself.
 *
 * Invariants: no record without a valid proof; the incarnation of a node never falls; every change
 * of a state is told once.
 */
import type { NodeId } from "@hearthmesh/core";
import { FORGOTTEN_MAX } from "../limits.js";
import type { SwimConfig } from "./config.js";
import { GossipQueue } from "./gossip-queue.js";
import type { LocalHealth } from "./local-health.js";
import { isPresent, type Member, type MemberState, MemberTable } from "./member-table.js";
import type { Claim, NodeRecord } from "./messages.js";
import { type Hand, Suspicion } from "./suspicion.js";

export interface MemberChange {
  /** Undefined for a node that was not known. */
  readonly before: MemberState | undefined;
  readonly after: MemberState;
  readonly record: NodeRecord;
}

type Belief = Exclude<Claim, { kind: "self" }>;

export interface ViewParts {
  readonly config: SwimConfig;
  readonly health: LocalHealth;
  /** Makes the proof of a record of this node. */
  sign(record: Omit<NodeRecord, "proof">): NodeRecord;
  /** Whether the record is really by the node, and the node may be in this mesh. */
  verify(record: NodeRecord): boolean;
  random(): number;
  onChange(change: MemberChange): void;
  /** This node had to say that it lives. */
  onRefuted(): void;
  /** A suspicion of others: worth a probe of one's own. */
  onSuspected(nodeId: NodeId): void;
}

export class View {
  readonly members = new MemberTable();
  readonly gossip = new GossipQueue();
  readonly #parts: ViewParts;
  /** Those who are suspected, dead or have left: for all others no time runs. */
  readonly #watched = new Map<NodeId, Member>();
  /** Removed by the operator: nothing that is said of them is taken. */
  readonly #forgotten = new Set<NodeId>();
  #self: NodeRecord;
  /** Claims that were refused, for metrics. */
  refusedCount = 0;

  constructor(parts: ViewParts, self: Omit<NodeRecord, "proof">) {
    this.#parts = parts;
    this.#self = parts.sign(self);
  }

  get self(): NodeRecord {
    return this.#self;
  }

  /** This node included. */
  get presentCount(): number {
    return this.members.presentCount + 1;
  }

  /** A new word of this node about itself. */
  sayAnew(changes: Partial<Pick<NodeRecord, "address" | "meta" | "isLeaving">>): void {
    const { proof: _, ...record } = this.#self;
    const incarnation = this.#self.incarnation + 1;
    this.#self = this.#parts.sign({ ...record, ...changes, incarnation });
    this.gossip.add({ kind: "self", record: this.#self });
  }

  /** `teller` is who gave it here, as the datagram's seal or the link verified. */
  apply(claim: Claim, nowMs: number, teller?: NodeId): void {
    if (claim.kind === "self") this.#applyRecord(claim.record, nowMs);
    else this.#applyBelief(claim, nowMs, claim.from === teller ? "first" : "second");
  }

  /** A datagram of the node itself came. */
  heard(nodeId: NodeId, nowMs: number): void {
    const member = this.members.get(nodeId);
    if (member !== undefined) member.heardMs = nowMs;
  }

  /** This node itself found that the other does not answer. */
  suspect(nodeId: NodeId, nowMs: number): void {
    const member = this.members.get(nodeId);
    if (member === undefined) return;
    const { incarnation } = member.record;
    const from = this.#self.nodeId;
    const claim = { kind: "suspect", nodeId, incarnation, from } as const;
    this.#applyBelief(claim, nowMs, "own");
    if (member.suspicion?.isCalledDead && this.#isSilent(member, nowMs)) {
      this.#setState(member, "dead", nowMs);
      this.gossip.add({ ...claim, kind: "dead" });
    }
  }

  /** Its process is gone, as its machine says: it has little time left to say otherwise. */
  suspectGone(nodeId: NodeId, nowMs: number): void {
    const member = this.members.get(nodeId);
    if (member === undefined || !isPresent(member.state)) return;
    this.suspect(nodeId, nowMs);
    member.suspicion?.hasten(nowMs);
  }

  /** Gone at once, and refused from now on, whoever speaks of it. */
  forget(nodeId: NodeId, nowMs: number): void {
    const [oldest] = this.#forgotten;
    if (this.#forgotten.size >= FORGOTTEN_MAX && oldest) this.#forgotten.delete(oldest);
    this.#forgotten.add(nodeId);
    const member = this.members.get(nodeId);
    if (member === undefined) return;
    if (isPresent(member.state)) this.#setState(member, "left", nowMs);
    this.members.remove(nodeId);
    this.#watched.delete(nodeId);
    this.gossip.forget(nodeId);
  }

  readmit(nodeId: NodeId): void {
    this.#forgotten.delete(nodeId);
  }

  get forgotten(): NodeId[] {
    return [...this.#forgotten];
  }

  /** Suspicions whose time is over become deaths; old deaths are forgotten. */
  expire(nowMs: number): void {
    for (const member of this.#watched.values()) {
      const { record, state, suspicion, sinceMs } = member;
      if (suspicion !== undefined && suspicion.deadlineMs(this.presentCount) <= nowMs) {
        this.#setState(member, "dead", nowMs);
        const { nodeId, incarnation } = record;
        this.gossip.add({ kind: "dead", nodeId, incarnation, from: this.#self.nodeId });
      } else if (isGone(state) && nowMs - sinceMs >= this.#parts.config.tombstoneMs) {
        this.members.remove(record.nodeId);
        this.#watched.delete(record.nodeId);
        this.gossip.forget(record.nodeId);
      }
    }
  }

  /** When `expire` has something to do, or undefined. */
  get dueMs(): number | undefined {
    let dueMs: number | undefined;
    for (const { suspicion } of this.#watched.values()) {
      if (suspicion === undefined) continue;
      const untilMs = suspicion.deadlineMs(this.presentCount);
      if (dueMs === undefined || untilMs < dueMs) dueMs = untilMs;
    }
    return dueMs;
  }

  /** All that this node knows, for an exchange of whole views with this node. */
  claimsFor(listener: NodeId | undefined): Claim[] {
    const claims: Claim[] = [{ kind: "self", record: this.#self }];
    for (const nodeId of this.members.ids()) claims.push(...this.claimsAbout(nodeId, listener));
    return claims;
  }

  /** The record of one node and what this node believes of it, as it tells them to `listener`. */
  claimsAbout(nodeId: NodeId, listener: NodeId | undefined): Claim[] {
    if (nodeId === this.#self.nodeId) return [{ kind: "self", record: this.#self }];
    const member = this.members.get(nodeId);
    if (member === undefined) return [];
    const { record, state } = member;
    const claims: Claim[] = [];
    // The record of a dead node would bring it up for a moment where it is not known. The node
    // itself has to see its own word, from an earlier life, to get above it.
    if (state !== "dead" || nodeId === listener) claims.push({ kind: "self", record });
    if (state === "suspect" || state === "dead") {
      const { incarnation } = record;
      claims.push({ kind: state, nodeId, incarnation, from: this.#self.nodeId });
    }
    return claims;
  }

  /** What an accused node should hear first, so that it can refute (Lifeguard, "buddy system"). */
  accusationsOf(nodeId: NodeId): Claim[] {
    const member = this.members.get(nodeId);
    if (member?.state !== "suspect" && member?.state !== "dead") return [];
    const claims = this.claimsAbout(nodeId, nodeId);
    return member.state === "dead" ? claims : claims.slice(1);
  }

  addStall(ms: number): void {
    for (const { suspicion } of this.#watched.values()) suspicion?.addStall(ms);
    for (const member of this.members.values()) member.heardMs += ms;
  }

  #applyRecord(record: NodeRecord, nowMs: number): void {
    if (record.nodeId === this.#self.nodeId) {
      this.#applyOwnRecord(record);
      return;
    }
    const member = this.members.get(record.nodeId);
    if (member !== undefined && record.incarnation <= member.record.incarnation) return;
    const isRefused = this.#forgotten.has(record.nodeId) || (!member && this.members.isFull);
    if (isRefused || !this.#parts.verify(record)) {
      this.refusedCount++;
      return;
    }
    const state: MemberState = record.isLeaving ? "left" : "alive";
    this.gossip.add({ kind: "self", record });
    if (member === undefined) {
      const since = { sinceMs: nowMs, heardMs: nowMs };
      const fresh: Member = { record, state, ...since, suspicion: undefined };
      this.members.add(fresh, this.#parts.random());
      this.#watch(fresh);
      // Who left before it was known here is only remembered, so that old news does not bring it.
      if (state === "alive") this.#parts.onChange({ before: undefined, after: state, record });
      return;
    }
    member.record = record;
    member.heardMs = nowMs;
    if (member.state === "suspect") member.suspicion = undefined;
    if (member.state === state) this.#parts.onChange({ before: state, after: state, record });
    else this.#setState(member, state, nowMs);
  }

  /** A word of this node from an earlier life: the present one must be above it. */
  #applyOwnRecord(record: NodeRecord): void {
    const { incarnation } = this.#self;
    const isSame = record.incarnation === incarnation && isEqual(record.proof, this.#self.proof);
    // At the end of the numbers there is nothing above.
    if (record.incarnation >= Number.MAX_SAFE_INTEGER - 1) return;
    if (isSame || record.incarnation < incarnation || !this.#parts.verify(record)) return;
    this.#self = { ...this.#self, incarnation: record.incarnation };
    this.sayAnew({});
  }

  #applyBelief(claim: Belief, nowMs: number, hand: Hand): void {
    const { nodeId, incarnation, from } = claim;
    if (nodeId === this.#self.nodeId) {
      this.#refute(incarnation);
      return;
    }
    const member = this.members.get(nodeId);
    if (member === undefined || isGone(member.state)) return;
    // A belief about a record that is not known here yet is about nothing that could be refuted.
    if (incarnation !== member.record.incarnation) return;
    if (hand !== "own" && !this.#isBelievable(from)) {
      this.refusedCount++;
      return;
    }
    if (claim.kind === "dead" && member.state === "suspect" && this.#isSilent(member, nowMs)) {
      this.#setState(member, "dead", nowMs);
      this.gossip.add(claim);
      return;
    }
    this.#addSuspicion(member, { ...claim, kind: "suspect" }, nowMs, hand);
    if (claim.kind === "dead" && member.suspicion) member.suspicion.isCalledDead = true;
  }

  #addSuspicion(member: Member, claim: Belief, nowMs: number, hand: Hand): void {
    if (member.suspicion !== undefined) {
      if (member.suspicion.confirm(claim.from, hand)) this.gossip.add(claim);
      return;
    }
    member.suspicion = new Suspicion(this.#parts.config, claim.from, hand, nowMs);
    this.#setState(member, "suspect", nowMs);
    this.gossip.add(claim);
    if (hand !== "own") this.#parts.onSuspected(member.record.nodeId);
  }

  /** Whose beliefs are taken: those of present members, but not what others say that we said. */
  #isBelievable(from: NodeId): boolean {
    const member = this.members.get(from);
    return member !== undefined && isPresent(member.state);
  }

  #isSilent(member: Member, nowMs: number): boolean {
    return nowMs - member.heardMs >= this.#parts.config.suspicionMinMs;
  }

  #refute(incarnation: number): void {
    if (this.#self.isLeaving) return;
    if (incarnation > this.#self.incarnation) {
      // Nobody can know that but from a record of ours, which would have to come with it.
      this.refusedCount++;
      return;
    }
    if (incarnation < this.#self.incarnation) {
      // It was refuted before, and who says it has not heard so.
      this.gossip.add({ kind: "self", record: this.#self });
      return;
    }
    this.sayAnew({});
    this.#parts.health.change(1);
    this.#parts.onRefuted();
  }

  #watch(member: Member): void {
    if (member.state === "alive") this.#watched.delete(member.record.nodeId);
    else this.#watched.set(member.record.nodeId, member);
  }

  #setState(member: Member, after: MemberState, nowMs: number): void {
    const before = member.state;
    this.members.setState(member, after, nowMs, this.#parts.random());
    this.#watch(member);
    this.#parts.onChange({ before, after, record: member.record });
  }
}

function isGone(state: MemberState): boolean {
  return state === "dead" || state === "left";
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
