/**
 * Several candidates of one election on one memory store, with everything that can go wrong between
 * them in the hands of a test: messages are late or lost, machines stop, sleep, run too fast, die
 * and come back, and living nodes are suspected.
 */
import assert from "node:assert/strict";
import { isMeshError, type Random, silentLogger } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { Election } from "../election/election.js";
import { ELECTION_LEADER_KEY } from "../election/leader-record.js";
import { type MemoryStore, memoryStore } from "../memory/memory-store.js";
import { jsonValue, parseJsonValue, put } from "../operations.js";
import type { StoreEvent } from "../types.js";
import { type PendingMessage, ScheduledStore } from "./scheduled-store.js";
import { StoppableClock } from "./stoppable-clock.js";

export const WORLD_LEASE_MS = 1000;
/** Time moves in pieces of this size for all clocks together. */
const SLICE_MS = 20;

export interface WorldNode {
  readonly nodeId: string;
  readonly clock: StoppableClock;
  network: ScheduledStore;
  election: Election;
}

export interface WorldOptions {
  /** Speed of each node's clock; their number is the number of nodes. */
  readonly rates: readonly number[];
  readonly seed: number;
  /** Whether two nodes may believe to lead at the same time. */
  readonly mayOverlap: boolean;
}

export class ElectionWorld {
  readonly nodes: WorldNode[] = [];
  readonly acts = { done: 0, fenced: 0, unknown: 0 };
  readonly #options: WorldOptions;
  readonly #storeClock = new ManualClock();
  readonly #store: MemoryStore;
  readonly #random: Random;
  #acts = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#store = memoryStore({ clock: this.#storeClock, historyRevisionsMax: 1 << 20 });
    this.#random = seededRandom(options.seed);
    for (const [index, rate] of options.rates.entries()) {
      const clock = new StoppableClock(rate);
      const nodeId = `node-${index}`;
      this.nodes.push({ nodeId, clock, ...this.#process(nodeId, clock) });
    }
  }

  async start(): Promise<void> {
    for (const node of this.nodes) void node.election.start();
    await this.#settle();
  }

  /** Messages that may be delivered now: a machine that stands still hears nothing. */
  pending(): PendingMessage[] {
    return this.nodes.flatMap(({ network, clock }) =>
      [...network.pending].filter(({ kind }) => kind === "request" || clock.isRunning),
    );
  }

  async deliver(place: number, lose: boolean): Promise<void> {
    const pending = this.pending();
    const message = pending[Math.floor(place * pending.length)];
    if (lose) message?.lose();
    else message?.deliver();
    await this.#settle();
  }

  async advance(durationMs: number, deliverAll: boolean): Promise<void> {
    for (let passedMs = 0; passedMs < durationMs; passedMs += SLICE_MS) {
      this.#storeClock.pass(SLICE_MS);
      for (const { clock } of this.nodes) clock.advance(SLICE_MS);
      await this.#settle();
      if (deliverAll) await this.#deliverAll();
    }
  }

  /** A write that only a leader may do. */
  async act(node: WorldNode): Promise<void> {
    if (!node.clock.isRunning || !node.election.isLeading()) return;
    const epoch = node.election.requireLeading();
    const key = `act/${this.#acts++}`;
    const value = jsonValue({ nodeId: node.nodeId, epoch });
    void node.election
      .fence()
      .transact({ success: [put(key, value)] })
      .then(
        () => this.acts.done++,
        (error: unknown) => {
          if (isMeshError(error, "MESH_EPOCH_OLD")) this.acts.fenced++;
          else this.acts.unknown++;
        },
      );
    await this.#settle();
  }

  async suspect(by: WorldNode, dead: WorldNode): Promise<void> {
    if (by.clock.isRunning) by.election.suspect(dead.nodeId);
    await this.#settle();
  }

  /** Kill and start again, with the same identity. */
  async restart(node: WorldNode): Promise<void> {
    node.clock.resume();
    node.network.forget();
    Object.assign(node, this.#process(node.nodeId, node.clock));
    void node.election.start();
    await this.#settle();
  }

  /** Everything works again: exactly one leads, and everybody knows it. */
  async mustRecover(): Promise<void> {
    for (const { clock } of this.nodes) clock.resume();
    await this.advance(8 * WORLD_LEASE_MS, true);
    const leaders = this.nodes.filter(({ election }) => election.isLeading());
    assert.equal(leaders.length, 1, "one leads");
    const [leader] = leaders;
    for (const { election } of this.nodes) {
      assert.equal(election.state.leader?.nodeId, leader?.nodeId);
      assert.equal(election.state.epoch, leader?.election.state.epoch);
    }
  }

  /** What the store has seen, in order: epochs grow, and only the leader of the moment acted. */
  async mustBeFenced(): Promise<number> {
    let epoch = 0;
    let leader: string | undefined;
    let leaders = 0;
    for (const { events } of this.#store.history.batchesFrom(1)) {
      for (const event of events) {
        if (keyOf(event) === ELECTION_LEADER_KEY) {
          const next = event.type === "put" ? recordOf(event) : undefined;
          leader = next?.nodeId;
          if (next === undefined) continue;
          assert.ok(next.epoch > epoch, "epochs grow");
          epoch = next.epoch;
          leaders++;
        } else if (keyOf(event).startsWith("act/") && event.type === "put") {
          assert.deepEqual(recordOf(event), { nodeId: leader, epoch }, "the leader acted");
        }
      }
    }
    return leaders;
  }

  async close(): Promise<void> {
    for (const { election } of this.nodes) void election.stop();
    await this.#settle();
    await this.#store.close();
  }

  #process(nodeId: string, clock: StoppableClock) {
    const network = new ScheduledStore(this.#store);
    const election = new Election({
      store: network,
      nodeId,
      candidate: () => ({ name: nodeId }),
      leaseTimeMs: WORLD_LEASE_MS,
      clock,
      random: this.#random,
      log: silentLogger,
    });
    return { network, election };
  }

  async #deliverAll(): Promise<void> {
    for (let pending = this.pending(); pending.length > 0; pending = this.pending()) {
      for (const message of pending) message.deliver();
      await this.#settle();
    }
  }

  /** Everything that follows by itself has happened. */
  async #settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#options.mayOverlap) return;
    const leading = this.nodes.filter(({ election }) => election.isLeading());
    assert.ok(leading.length <= 1, "two lead at the same time");
  }
}

function keyOf(event: StoreEvent): string {
  return event.type === "put" ? event.entry.key : event.key;
}

function recordOf(event: StoreEvent & { type: "put" }): { nodeId: string; epoch: number } {
  const { nodeId, epoch } = parseJsonValue(event.entry.value) as { nodeId: string; epoch: number };
  return { nodeId, epoch };
}

/** mulberry32 by Tommy Ettinger: small, and the same everywhere. */
function seededRandom(seed: number): Random {
  let state = seed | 0;
  const float = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const bytes = (length: number) => Uint8Array.from({ length }, () => Math.floor(float() * 256));
  return { float, bytes };
}
