/**
 * Many `SwimMachine`s in one process: a virtual clock, a network with delay and loss, and the
 * things that happen to machines: crashes, stalls, restarts, partitions. Everything follows from
 * the seed. Datagrams go through the codec; proofs are plain marks here, `record-proof.ts` has the
 * real ones.
 */
import type { NodeId } from "@hearthmesh/core";
import { decodeDatagram, encodeDatagram } from "../datagram-codec.js";
import { PLAIN_DATAGRAM_BYTES_MAX, SEAL_BYTES } from "../limits.js";
import { compareSummaries, encodeSummary, type SummaryEntry } from "../runtime/view-summary.js";
import { SWIM_LAN, type SwimConfig } from "../swim/config.js";
import { claimBytesMax } from "../swim/gossip-queue.js";
import type { MemberState } from "../swim/member-table.js";
import type { SwimEffect, SwimEvent } from "../swim/swim-events.js";
import { SwimMachine } from "../swim/swim-machine.js";

export interface SwimNetworkOptions {
  readonly seed: number;
  readonly config?: SwimConfig;
  /** Share of datagrams that are lost; exchanges of views are not. Default 0. */
  readonly loss?: number;
  readonly delayMsMin?: number;
  readonly delayMsMax?: number;
  /** Of the meta in each record. Default 0. */
  readonly metaBytes?: number;
}

export interface ObservedChange {
  readonly atMs: number;
  readonly observer: string;
  readonly subject: string;
  readonly before: MemberState | undefined;
  readonly after: MemberState;
}

/** A hash of a view as it is sent: SHA-256 in Base64. */
const HASH_BYTES = 44;

interface Host {
  readonly name: string;
  readonly nodeId: NodeId;
  address: string;
  machine: SwimMachine;
  isUp: boolean;
  stalledUntilMs: number;
  /** What waits in the socket of a stalled host. */
  inbox: SwimEvent[];
  plannedWakeMs: number;
  sent: SentCounts;
}

/** What a host has sent, lost or not. */
export interface SentCounts {
  datagrams: number;
  datagramBytes: number;
  /** For exchanges of whole views over links, as `ViewExchange` does them, without their heads. */
  viewBytes: number;
}

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class SwimNetwork {
  readonly changes: ObservedChange[] = [];
  readonly #options: Required<SwimNetworkOptions>;
  readonly #random: () => number;
  readonly #hosts = new Map<string, Host>();
  readonly #byAddress = new Map<string, Host>();
  readonly #queue = new Schedule();
  /** True: the two may not talk, in this direction. */
  #isCut: (from: string, to: string) => boolean = () => false;
  nowMs = 0;

  constructor(options: SwimNetworkOptions) {
    const defaults = { config: SWIM_LAN, loss: 0, delayMsMin: 0.2, delayMsMax: 2, metaBytes: 0 };
    this.#options = { ...defaults, ...options };
    this.#random = seededRandom(options.seed);
  }

  /** Starts a host that knows the addresses of `seeds`; again at its own address unless told. */
  start(name: string, seeds: readonly string[] = [], incarnation = 1, newAddress?: string): void {
    const before = this.#hosts.get(name);
    const address = newAddress ?? before?.address ?? `${name}:7946`;
    const nodeId = nodeIdOf(name);
    const machine = this.#makeMachine(name, nodeId, address, incarnation);
    const host: Host = {
      name,
      nodeId,
      address,
      machine,
      isUp: true,
      stalledUntilMs: 0,
      inbox: [],
      plannedWakeMs: -1,
      sent: before?.sent ?? { datagrams: 0, datagramBytes: 0, viewBytes: 0 },
    };
    this.#hosts.set(name, host);
    this.#byAddress.set(address, host);
    this.#step(host, { type: "join", addresses: seeds.map((seed) => `${seed}:7946`) });
  }

  /** Ends it without a word. */
  crash(name: string): void {
    this.#host(name).isUp = false;
  }

  stall(name: string, ms: number): void {
    this.#host(name).stalledUntilMs = this.nowMs + ms;
    this.#at(ms, () => this.#resume(this.#host(name)));
  }

  leave(name: string): void {
    this.#step(this.#host(name), { type: "leave" });
  }

  connectionLost(observer: string, subject: string): void {
    this.#step(this.#host(observer), { type: "connection-lost", nodeId: nodeIdOf(subject) });
  }

  inject(name: string, event: SwimEvent): void {
    this.#step(this.#host(name), event);
  }

  cut(isCut: (from: string, to: string) => boolean): void {
    this.#isCut = isCut;
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.#queue.take(untilMs);
      if (next === undefined) break;
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  /** Runs in small steps until the condition holds; the time that it took, or undefined. */
  runUntil(isDone: () => boolean, msMax: number, stepMs = 5): number | undefined {
    const startMs = this.nowMs;
    while (this.nowMs - startMs < msMax) {
      if (isDone()) return this.nowMs - startMs;
      this.run(stepMs);
    }
    return isDone() ? this.nowMs - startMs : undefined;
  }

  machine(name: string): SwimMachine {
    return this.#host(name).machine;
  }

  /** What one believes of another. */
  state(observer: string, subject: string): MemberState | undefined {
    const { members } = this.machine(observer);
    return members.find(({ record }) => record.name === subject)?.state;
  }

  /** Whether all that are up believe this of the subject. */
  allSee(subject: string, state: MemberState | undefined): boolean {
    return this.up.every((name) => name === subject || this.state(name, subject) === state);
  }

  /** Whether everybody who is up sees exactly those who are up. */
  get hasConverged(): boolean {
    const { up } = this;
    return up.every((name) => {
      const present = this.machine(name).members.filter(({ state }) => state === "alive");
      return (
        present.length === up.length - 1 && present.every(({ record }) => this.#isUp(record.name))
      );
    });
  }

  get up(): string[] {
    return [...this.#hosts.values()].filter(({ isUp }) => isUp).map(({ name }) => name);
  }

  datagramsSent(name: string): number {
    return this.sent(name).datagrams;
  }

  sent(name: string): Readonly<SentCounts> {
    return { ...this.#host(name).sent };
  }

  #isUp(name: string): boolean {
    return this.#hosts.get(name)?.isUp ?? false;
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  #makeMachine(name: string, nodeId: NodeId, address: string, incarnation: number): SwimMachine {
    const proof = Uint8Array.from(Buffer.from(name));
    return new SwimMachine(
      {
        config: this.#options.config,
        self: { nodeId, name, address, meta: new Uint8Array(this.#options.metaBytes) },
        incarnation,
        sign: (record) => ({ ...record, proof }),
        verify: (record) => Buffer.from(record.proof).toString() === record.name,
        random: this.#random,
      },
      this.nowMs,
    );
  }

  #at(delayMs: number, run: () => void): void {
    this.#queue.add(this.nowMs + delayMs, run);
  }

  #step(host: Host, event: SwimEvent): void {
    if (!host.isUp) return;
    if (this.nowMs < host.stalledUntilMs) {
      if (event.type !== "wake") host.inbox.push(event);
      return;
    }
    for (const effect of host.machine.step(event, this.nowMs)) this.#perform(host, effect);
    this.#plan(host);
  }

  #resume(host: Host): void {
    if (this.nowMs < host.stalledUntilMs) return;
    // As an event loop does: timers first, and then what came meanwhile.
    host.plannedWakeMs = -1;
    this.#step(host, { type: "wake" });
    for (const event of host.inbox.splice(0)) this.#step(host, event);
  }

  #plan(host: Host): void {
    const { machine } = host;
    const { wakeMs } = machine;
    if (host.plannedWakeMs === wakeMs) return;
    host.plannedWakeMs = wakeMs;
    this.#at(Math.max(0, wakeMs - this.nowMs), () => {
      if (host.machine === machine && host.plannedWakeMs === wakeMs) {
        host.plannedWakeMs = -1;
        this.#step(host, { type: "wake" });
      }
    });
  }

  #perform(host: Host, effect: SwimEffect): void {
    if (effect.type === "change") {
      const { before, after, record } = effect;
      const change = { atMs: this.nowMs, observer: host.name, subject: record.name, before, after };
      this.changes.push(change);
      return;
    }
    if (effect.type === "exchange") {
      const given = host.machine.claimsFor(effect.to);
      this.#carry(host.name, effect.address, (other) => {
        const from = host.nodeId;
        const answer = other.machine.claimsFor(from);
        countExchange(host, other);
        this.#step(other, { type: "view", claims: given, from });
        this.#carry(other.name, host.address, (back) => {
          this.#step(back, { type: "view", claims: answer, from: other.nodeId });
        });
      });
      return;
    }
    const { address, message } = effect;
    const { bytes, claimsTaken } = encodeDatagram(message, PLAIN_DATAGRAM_BYTES_MAX);
    if (claimsTaken < message.claims.length) throw new Error("a message is larger than a datagram");
    host.sent.datagrams++;
    host.sent.datagramBytes += bytes.length + SEAL_BYTES;
    if (this.#random() < this.#options.loss) return;
    this.#carry(host.name, address, (other) => {
      const event = {
        type: "message",
        address: host.address,
        message: decodeDatagram(bytes),
      } as const;
      this.#step(other, event);
    });
  }

  #carry(from: string, address: string, deliver: (to: Host) => void): void {
    const { delayMsMin, delayMsMax } = this.#options;
    const delayMs = delayMsMin + this.#random() * (delayMsMax - delayMsMin);
    this.#at(delayMs, () => {
      const to = this.#byAddress.get(address);
      if (to?.isUp && !this.#isCut(from, to.name)) deliver(to);
    });
  }
}

/** Here whole views are handed over; a daemon sends a hash, and what it shows to be different. */
function countExchange(asker: Host, answerer: Host): void {
  const [mine, theirs] = [summaryOf(asker.machine), summaryOf(answerer.machine)];
  const { wanted, given } = compareSummaries(mine, theirs);
  asker.sent.viewBytes += HASH_BYTES;
  if (wanted.length + given.length === 0 && mine.size === theirs.size) return;
  const summaryBytes = encodeSummary(theirs.values()).length;
  asker.sent.viewBytes += claimBytes(asker, given, answerer.nodeId);
  answerer.sent.viewBytes += summaryBytes + claimBytes(answerer, wanted, asker.nodeId);
}

function summaryOf({ self, members }: SwimMachine): Map<NodeId, SummaryEntry> {
  const entries = members.map(({ record, state }) => ({ ...record, state }));
  const all: SummaryEntry[] = [{ ...self, state: "alive" }, ...entries];
  return new Map(all.map((entry) => [entry.nodeId, entry]));
}

/** The most that they can take. */
function claimBytes({ machine }: Host, nodeIds: readonly NodeId[], listener: NodeId): number {
  const claims = nodeIds.flatMap((nodeId) => machine.claimsAbout(nodeId, listener));
  return claims.reduce((sum, claim) => sum + claimBytesMax(claim), 0);
}

/** What is to happen, the earliest first, and in the order in which it was said. */
class Schedule {
  readonly #heap: Scheduled[] = [];
  #order = 0;

  add(atMs: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ atMs, order: this.#order++, run });
    for (let at = heap.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfEarlier(at, parent)) break;
      at = parent;
    }
  }

  take(untilMs: number): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.atMs > untilMs) return undefined;
    const last = heap.pop() as Scheduled;
    if (heap.length > 0) heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const child = right < heap.length && this.#isEarlier(right, left) ? right : left;
      if (child >= heap.length || !this.#swapIfEarlier(child, at)) break;
      at = child;
    }
    return first;
  }

  #isEarlier(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a] as Scheduled, this.#heap[b] as Scheduled];
    return first.atMs < second.atMs || (first.atMs === second.atMs && first.order < second.order);
  }

  #swapIfEarlier(a: number, b: number): boolean {
    if (!this.#isEarlier(a, b)) return false;
    const heap = this.#heap;
    [heap[a], heap[b]] = [heap[b] as Scheduled, heap[a] as Scheduled];
    return true;
  }
}

/** Of the right form; not the hash of a key. */
export function nodeIdOf(name: string): NodeId {
  const letters = [...Buffer.from(name).toString("hex")].map(
    (digit) => "abcdefghijklmnop"[Number.parseInt(digit, 16)],
  );
  return letters.join("").padEnd(52, "a").slice(0, 52) as NodeId;
}

/** Xorshift with 32 bits (G. Marsaglia, "Xorshift RNGs", 2003); good enough to mix events. */
function seededRandom(seed: number): () => number {
  // The state must not be zero, and near seeds must not begin alike.
  let state = (Math.imul(seed + 1, 0x9e37_79b1) >>> 0) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
