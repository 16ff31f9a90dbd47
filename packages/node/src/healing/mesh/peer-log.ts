/**
 * What this node remembers of the others: who lives, who died, and how that came about. Membership
 * forgets the dead after a minute; an incident lasts until the node is back.
 *
 * Without I/O. Invariants: one note for each node; that of a node that left in order is dropped,
 * and that it left is known for `LEFT_TOLD_MS`; at most `PEERS_REMEMBERED_MAX` of the dead are
 * kept, and of those that left. Of a node that was removed nothing is kept. No errors.
 */
import type { NodeId } from "@hearthmesh/core";
import type { PeerInfo, PeerState } from "@hearthmesh/membership";
import { LEFT_TOLD_MS, PEERS_REMEMBERED_MAX } from "./limits.js";
import { list, seconds } from "./text.js";

export interface PeerNote {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly state: "alive" | "suspect" | "dead";
  /** It was dead or cut off once in this life of the daemon. */
  readonly hadTrouble: boolean;
  /** Its last link ended: "broke", "was silent and was given up", "said goodbye". */
  readonly broke?: { readonly how: string; readonly atMs: number };
  readonly suspectedMs?: number;
  readonly death?: { readonly atMs: number; readonly how: string };
}

/** One that left in order, or did so and is back. */
export interface LeftNote {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly leftAtMs: number;
  readonly isBack: boolean;
}

export type KnownPeer = Pick<PeerInfo, "nodeId" | "name" | "state">;

export class PeerLog {
  /** Who died longest ago first, among the dead. */
  readonly #notes = new Map<NodeId, PeerNote>();
  /** Who left longest ago first. */
  readonly #left = new Map<NodeId, LeftNote>();

  all(): readonly PeerNote[] {
    return [...this.#notes.values()];
  }

  /** Also those that are back, until the time is over in which they would have been told of. */
  left(nowMs: number): readonly LeftNote[] {
    for (const [nodeId, { leftAtMs }] of this.#left) {
      if (nowMs - leftAtMs >= LEFT_TOLD_MS) this.#left.delete(nodeId);
    }
    return [...this.#left.values()];
  }

  get(nodeId: NodeId): PeerNote | undefined {
    return this.#notes.get(nodeId);
  }

  /** Those of membership, and those that it has forgotten since they died. */
  sync(peers: readonly KnownPeer[], nowMs: number): void {
    for (const peer of peers) this.see(peer, nowMs);
  }

  /** `silentMs`: since anything was heard of it. */
  see({ nodeId, name, state }: KnownPeer, nowMs: number, silentMs?: number): void {
    const before = this.#notes.get(nodeId);
    if (state === "left") {
      // Of one that was never seen here it is old news.
      if (before !== undefined) this.#leave({ nodeId, name }, nowMs);
      return;
    }
    const left = this.#left.get(nodeId);
    if (left?.isBack === false && state === "alive") {
      this.#left.set(nodeId, { ...left, isBack: true });
    }
    if (before?.state === state && before.name === name) return;
    this.#notes.delete(nodeId);
    this.#notes.set(nodeId, next(before, { nodeId, name, state }, nowMs, silentMs));
    this.#forgetOldest();
  }

  /** The last link to it ended. */
  linkBroke(nodeId: NodeId, how: string, nowMs: number): void {
    const note = this.#notes.get(nodeId);
    if (note !== undefined) this.#notes.set(nodeId, { ...note, broke: { how, atMs: nowMs } });
  }

  /** It has a link again. */
  linked(nodeId: NodeId): void {
    const note = this.#notes.get(nodeId);
    if (note?.broke === undefined) return;
    const { broke: _, ...rest } = note;
    this.#notes.set(nodeId, rest);
  }

  troubled(nodeId: NodeId): void {
    const note = this.#notes.get(nodeId);
    if (note?.hadTrouble === false) this.#notes.set(nodeId, { ...note, hadTrouble: true });
  }

  forget(nodeId: NodeId): void {
    this.#notes.delete(nodeId);
    this.#left.delete(nodeId);
  }

  /** Of all that it knows. */
  ids(): readonly NodeId[] {
    return [...new Set([...this.#notes.keys(), ...this.#left.keys()])];
  }

  #leave({ nodeId, name }: Pick<LeftNote, "nodeId" | "name">, nowMs: number): void {
    this.#notes.delete(nodeId);
    this.#left.delete(nodeId);
    this.#left.set(nodeId, { nodeId, name, leftAtMs: nowMs, isBack: false });
    const [oldest] = this.#left.keys();
    if (this.#left.size > PEERS_REMEMBERED_MAX && oldest) this.#left.delete(oldest);
  }

  #forgetOldest(): void {
    const dead = this.all().filter(({ state }) => state === "dead");
    const [oldest] = dead;
    if (dead.length > PEERS_REMEMBERED_MAX && oldest) this.#notes.delete(oldest.nodeId);
  }
}

function next(
  before: PeerNote | undefined,
  peer: { nodeId: NodeId; name: string; state: Exclude<PeerState, "left"> },
  nowMs: number,
  silentMs: number | undefined,
): PeerNote {
  const hadTrouble = before?.hadTrouble ?? false;
  const broke = before?.broke === undefined ? {} : { broke: before.broke };
  if (peer.state === "alive") return { ...peer, hadTrouble };
  const suspectedMs = before?.suspectedMs ?? nowMs;
  if (peer.state === "suspect") return { ...peer, hadTrouble, ...broke, suspectedMs };
  // What is new about one that is dead is at most its name.
  const death = before?.death ?? { atMs: nowMs, how: howItDied(before, nowMs, silentMs) };
  return { ...peer, hadTrouble: true, ...broke, suspectedMs, death };
}

/** Such as: nothing was heard of it for 0.6 s, and its last link broke 0.5 s before. */
function howItDied(
  before: PeerNote | undefined,
  nowMs: number,
  silentMs: number | undefined,
): string {
  const said: string[] = [];
  if (silentMs !== undefined) said.push(`nothing was heard of it for ${seconds(silentMs)}`);
  if (before?.broke !== undefined) {
    const { how, atMs } = before.broke;
    said.push(`its last link ${how} ${seconds(nowMs - atMs)} before`);
  }
  if (before?.suspectedMs !== undefined) {
    said.push(`${seconds(nowMs - before.suspectedMs)} of suspicion brought no answer`);
  }
  const why = said.length === 0 ? "others say so" : list(said);
  return `membership declared it dead: ${why}`;
}
