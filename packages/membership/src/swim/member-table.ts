/** What this node knows and believes about each other node. */
import type { NodeId } from "@hearthmesh/core";
import { NODES_MAX } from "../limits.js";
import type { NodeRecord } from "./messages.js";
import type { Suspicion } from "./suspicion.js";

/** `left` said so itself; `dead` was found so by others. */
export type MemberState = "alive" | "suspect" | "dead" | "left";

export interface Member {
  record: NodeRecord;
  state: MemberState;
  sinceMs: number;
  /** The last word of the node itself: a datagram, or a record that was new. */
  heardMs: number;
  /** While the state is `suspect`. */
  suspicion: Suspicion | undefined;
}

export class MemberTable {
  readonly #members = new Map<NodeId, Member>();
  /** In random order, gone through from the start to the end and then mixed anew. */
  #ring: NodeId[] = [];
  #ringAt = 0;
  #present = 0;

  get(nodeId: NodeId): Member | undefined {
    return this.#members.get(nodeId);
  }

  ids(): IterableIterator<NodeId> {
    return this.#members.keys();
  }

  values(): IterableIterator<Member> {
    return this.#members.values();
  }

  /** Nodes that are alive or suspected, without this one. */
  get presentCount(): number {
    return this.#present;
  }

  get isFull(): boolean {
    return this.#members.size >= NODES_MAX;
  }

  add(member: Member, chance: number): void {
    this.#members.set(member.record.nodeId, member);
    if (isPresent(member.state)) this.#enter(member.record.nodeId, chance);
  }

  setState(member: Member, state: MemberState, nowMs: number, chance: number): void {
    const [was, is] = [isPresent(member.state), isPresent(state)];
    member.state = state;
    member.sinceMs = nowMs;
    if (state !== "suspect") member.suspicion = undefined;
    if (!was && is) this.#enter(member.record.nodeId, chance);
    if (was && !is) this.#present--;
  }

  remove(nodeId: NodeId): void {
    const member = this.#members.get(nodeId);
    if (member !== undefined && isPresent(member.state)) this.#present--;
    this.#members.delete(nodeId);
  }

  /**
   * The next node to probe: each once in a round, in an order that is mixed for each round, so that
   * the time until a node is probed again is bounded (SWIM, 4.3).
   */
  nextInRing(random: () => number): Member | undefined {
    for (let tries = 2; tries > 0; tries--) {
      while (this.#ringAt < this.#ring.length) {
        const member = this.#members.get(this.#ring[this.#ringAt++] as NodeId);
        if (member !== undefined && isPresent(member.state)) return member;
      }
      this.#mix(random);
    }
    return undefined;
  }

  /** Up to `count` different ones of those that `isWanted`. */
  pick(count: number, random: () => number, isWanted: (member: Member) => boolean): Member[] {
    const wanted = [...this.#members.values()].filter(isWanted);
    for (let at = 0; at < Math.min(count, wanted.length); at++) {
      const from = at + Math.floor(random() * (wanted.length - at));
      [wanted[at], wanted[from]] = [wanted[from] as Member, wanted[at] as Member];
    }
    return wanted.slice(0, count);
  }

  /** A newcomer goes to a random place of the round that is under way. */
  #enter(nodeId: NodeId, chance: number): void {
    this.#present++;
    const at = this.#ringAt + Math.floor(chance * (this.#ring.length - this.#ringAt + 1));
    this.#ring.splice(at, 0, nodeId);
  }

  #mix(random: () => number): void {
    this.#ring = [...this.#members.values()]
      .filter(({ state }) => isPresent(state))
      .map(({ record }) => record.nodeId);
    for (let at = this.#ring.length - 1; at > 0; at--) {
      const from = Math.floor(random() * (at + 1));
      [this.#ring[at], this.#ring[from]] = [this.#ring[from] as NodeId, this.#ring[at] as NodeId];
    }
    this.#ringAt = 0;
  }
}

export function isPresent(state: MemberState): boolean {
  return state === "alive" || state === "suspect";
}
