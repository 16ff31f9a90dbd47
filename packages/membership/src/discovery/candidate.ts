/** What is known of one node, or of one address, that could be linked to. */
import type { NodeId } from "@hearthmesh/core";
import type { PeerState } from "../ports.js";
import { CANDIDATE_ADDRESSES_MAX } from "./limits.js";

/** How a candidate was found. */
export const FOUND_METHODS = ["beacon", "static", "hub", "invite", "snapshot", "gossip"] as const;
export type FoundMethod = (typeof FOUND_METHODS)[number];

export interface FoundBy {
  readonly method: FoundMethod;
  /** When it was last found so, on the clock that the events carry. */
  readonly atMs: number;
}

/** Why one address failed, in words, and what to do about it. */
export interface AddressFailure {
  readonly address: string;
  readonly reason: string;
  readonly hint: string;
}

/** Somebody said so on purpose: such a candidate is tried for ever, and outlives a farewell. */
export const LASTING_METHODS: ReadonlySet<FoundMethod> = new Set<FoundMethod>([
  "static",
  "hub",
  "invite",
]);

interface CandidateAddress {
  readonly text: string;
  foundMs: number;
  /** It led to this node; undefined when it never did. */
  workedMs: number | undefined;
  /** Told without a node id: whoever is there is wanted, whichever node that is. */
  byPlace: FoundMethod | undefined;
}

export type LinkKind = "direct" | "relayed";

/** A node, or an address where nobody has answered yet. Times are those of the monotonic clock. */
export interface CandidateReport {
  readonly nodeId?: NodeId;
  readonly addresses: readonly string[];
  readonly foundBy: readonly FoundBy[];
  readonly link: LinkKind | "none";
  /** Dials since the last good link or the last news. */
  readonly attempts: number;
  /** Why each address failed, and what to do. */
  readonly lastError?: string;
  readonly lastErrorMs?: number;
  /** Of the last dial, by address; empty when it was a success. */
  readonly failures: readonly AddressFailure[];
  readonly isDialling: boolean;
  /** It said goodbye, and nothing was heard of it since. */
  readonly hasLeft?: true;
  /** Undefined when no dial is planned. */
  readonly nextAttemptMs?: number;
}

/** Keyed by node id, or by an address while nobody knows who is there. */
export class Candidate {
  readonly key: string;
  readonly nodeId: NodeId | undefined;
  readonly foundBy = new Map<FoundMethod, number>();
  readonly addresses = new Map<string, CandidateAddress>();
  /** Without a node id: who was there the last time. */
  lastNodeId: NodeId | undefined;
  /** The address leads to this very node. */
  isSelf = false;
  attempts = 0;
  lastDialMs: number | undefined;
  nextDialMs = 0;
  dialId: number | undefined;
  failures: readonly AddressFailure[] = [];
  failedMs: number | undefined;
  directSinceMs: number | undefined;
  isRelayed = false;
  state: PeerState | undefined;
  heardMs: number | undefined;
  boot: number | undefined;
  /** It said that it leaves: not dialled until it is found again. */
  hasLeft = false;

  constructor(key: string, nodeId: NodeId | undefined) {
    this.key = key;
    this.nodeId = nodeId;
  }

  get isLasting(): boolean {
    return [...this.foundBy.keys()].some((method) => LASTING_METHODS.has(method));
  }

  /** True when the address is news. */
  addAddress(text: string, nowMs: number, byPlace: FoundMethod | undefined): boolean {
    const known = this.addresses.get(text);
    if (known !== undefined) {
      known.foundMs = nowMs;
      known.byPlace ??= byPlace;
      return false;
    }
    this.addresses.set(text, { text, foundMs: nowMs, workedMs: undefined, byPlace });
    if (this.addresses.size <= CANDIDATE_ADDRESSES_MAX) return true;
    const worst = this.#leastUseful();
    if (worst !== undefined) this.addresses.delete(worst.text);
    return worst?.text !== text;
  }

  /** What somebody configured is not pushed out by what others told. */
  #leastUseful(): CandidateAddress | undefined {
    const all = [...this.addresses.values()].sort(byWorth);
    return all.findLast(({ byPlace }) => byPlace === undefined) ?? all.at(-1);
  }

  /** `isWanted` says whether a dial is planned. */
  report(isWanted: boolean): CandidateReport {
    const { attempts, directSinceMs, isRelayed, failedMs } = this;
    const nodeId = this.nodeId ?? this.lastNodeId;
    const lastError = this.lastError();
    return {
      ...(nodeId === undefined ? {} : { nodeId }),
      addresses: this.dialOrder(),
      foundBy: this.foundByList(),
      link: directSinceMs !== undefined ? "direct" : isRelayed ? "relayed" : "none",
      attempts,
      ...(lastError === undefined ? {} : { lastError }),
      ...(failedMs === undefined ? {} : { lastErrorMs: failedMs }),
      failures: this.failures,
      isDialling: this.dialId !== undefined,
      ...(this.hasLeft ? { hasLeft: true as const } : {}),
      ...(isWanted ? { nextAttemptMs: this.nextDialMs } : {}),
    };
  }

  /** The best first: what worked last, then what was heard of last. */
  dialOrder(): string[] {
    return [...this.addresses.values()].sort(byWorth).map(({ text }) => text);
  }

  foundByList(): FoundBy[] {
    return [...this.foundBy]
      .map(([method, atMs]) => ({ method, atMs }))
      .sort((a, b) => b.atMs - a.atMs);
  }

  /** Takes over what another candidate knows of the same node. */
  absorb(other: Candidate, nowMs: number): void {
    for (const [method, atMs] of other.foundBy) {
      this.foundBy.set(method, Math.max(atMs, this.foundBy.get(method) ?? atMs));
    }
    for (const { text, byPlace } of other.addresses.values()) {
      this.addAddress(text, nowMs, byPlace);
    }
  }

  /** Gives away the addresses where whoever is there is wanted; empty when there are none. */
  takePlaces(): { text: string; method: FoundMethod }[] {
    const places: { text: string; method: FoundMethod }[] = [];
    for (const { text, byPlace } of [...this.addresses.values()]) {
      if (byPlace === undefined) continue;
      places.push({ text, method: byPlace });
      this.addresses.delete(text);
    }
    return places;
  }

  /** One sentence for each address that failed; undefined when the last dial was a success. */
  lastError(): string | undefined {
    if (this.isSelf) {
      return `${this.key} is this node itself. Remove it from the list of peers.`;
    }
    if (this.failures.length === 0) return undefined;
    return this.failures
      .map(({ address, reason, hint }) => `${address}: ${reason}. ${hint}`)
      .join(" ");
  }
}

function byWorth(a: CandidateAddress, b: CandidateAddress): number {
  const worked = (b.workedMs ?? -1) - (a.workedMs ?? -1);
  if (worked !== 0) return worked;
  // A configured address goes before one that somebody told.
  const placed = Number(b.byPlace !== undefined) - Number(a.byPlace !== undefined);
  return placed !== 0 ? placed : b.foundMs - a.foundMs;
}
