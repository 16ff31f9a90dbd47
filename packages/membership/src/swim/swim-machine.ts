/**
 * SWIM (Das, Gupta, Motivala, 2002) with Lifeguard, as a machine without I/O: `step(event, nowMs)`
 * answers what is to be done. The caller sends the datagrams, exchanges whole views over something
 * reliable, and wakes the machine at `wakeMs`.
 *
 * States: running; leaving (it has said its last word, still passes news on, and probes nobody).
 *
 * Invariants: at most one own probe is under way; a node is called dead only after a suspicion of
 * its whole time; every datagram stays below the size that the codec takes; nothing grows beyond
 * the limits of the package.
 *
 * Error contract: messages of strangers, late answers and false claims change nothing and are
 * counted (`refusedCount`); `step` does not throw.
 */
import type { NodeId } from "@hearthmesh/core";
import { NODES_MAX } from "../limits.js";
import type { SwimConfig } from "./config.js";
import { Exchanger } from "./exchanger.js";
import { LocalHealth } from "./local-health.js";
import { isPresent, type Member } from "./member-table.js";
import type { Claim, NodeRecord, SwimMessage } from "./messages.js";
import { Outgoing } from "./outgoing.js";
import { Prober } from "./prober.js";
import type { SwimEffect, SwimEvent } from "./swim-events.js";
import type { KnownMember, SwimOptions } from "./swim-options.js";
import { View } from "./view.js";

export type { KnownMember, SwimOptions } from "./swim-options.js";

/** How many are told at once that this node lives, or leaves. */
const WIDE_NODES = 8;
/** A wake that is later than this was a stall of this process. */
const STALL_MS_MIN = 60;
/** Views are exchanged this soon with a node that is back, which may know others that are. */
const HEAL_MS_MAX = 500;

export class SwimMachine {
  readonly #config: SwimConfig;
  readonly #random: () => number;
  readonly #health: LocalHealth;
  readonly #view: View;
  readonly #prober = new Prober();
  /** To be probed before the next of the round. */
  readonly #urgent = new Set<NodeId>();
  readonly #out: Outgoing;
  readonly #exchanger: Exchanger;
  #isLeaving = false;
  #wakeMs: number;
  #probeAtMs: number;
  #gossipAtMs: number;
  #exchangeAtMs: number;

  constructor(options: SwimOptions, nowMs: number) {
    const { config, self, incarnation = 1, sign, verify, random } = options;
    this.#config = config;
    this.#random = random;
    this.#health = new LocalHealth(config.healthMax);
    this.#view = new View(
      {
        config,
        health: this.#health,
        sign,
        verify,
        random,
        onChange: (change) => {
          this.#out.effects.push({ type: "change", ...change });
          if (change.before === "dead" && change.after === "alive") {
            this.#exchanger.returned = change.record.nodeId;
          }
        },
        onSuspected: (nodeId) => this.#urgent.add(nodeId),
        onRefuted: () => this.#spreadWidely(),
      },
      { ...self, incarnation, isLeaving: false },
    );
    this.#out = new Outgoing(config, this.#view);
    this.#exchanger = new Exchanger(this.#view, this.#out, random);
    // Nodes that start together must not go on in step.
    this.#probeAtMs = nowMs + random() * config.probeIntervalMs;
    this.#gossipAtMs = nowMs + random() * config.gossipIntervalMs;
    this.#exchangeAtMs = nowMs + random() * config.syncIntervalMs;
    this.#wakeMs = nowMs;
    this.#plan();
  }

  /** When `wake` is due. */
  get wakeMs(): number {
    return this.#wakeMs;
  }

  get self(): NodeRecord {
    return this.#view.self;
  }

  /** 0 is well; see `LocalHealth`. */
  get healthScore(): number {
    return this.#health.score;
  }

  get refusedCount(): number {
    return this.#view.refusedCount;
  }

  /** All others that are known, also those that are gone and not forgotten yet. */
  get members(): KnownMember[] {
    return [...this.#view.members.values()].map(({ record, state }) => ({ record, state }));
  }

  member(nodeId: NodeId): KnownMember | undefined {
    return this.#view.members.get(nodeId);
  }

  /** Nodes that `forget` has named and `readmit` has not. */
  get forgotten(): NodeId[] {
    return this.#view.forgotten;
  }

  /** The whole view, as it is given to this node. */
  claimsFor(listener: NodeId | undefined): Claim[] {
    return this.#view.claimsFor(listener);
  }

  /** The part of `claimsFor` that is about one node. */
  claimsAbout(nodeId: NodeId, listener: NodeId): Claim[] {
    return this.#view.claimsAbout(nodeId, listener);
  }

  step(event: SwimEvent, nowMs: number): SwimEffect[] {
    this.#out.effects = [];
    this.#noticeStall(nowMs);
    this.#take(event, nowMs);
    this.#runDue(nowMs);
    this.#plan();
    return this.#out.effects;
  }

  #take(event: SwimEvent, nowMs: number): void {
    switch (event.type) {
      case "join":
        for (const address of event.addresses) this.#exchanger.addSeed(address);
        return;
      case "message":
        this.#onMessage(event.address, event.message, nowMs);
        return;
      case "view":
        for (const claim of event.claims.slice(0, 2 * NODES_MAX)) {
          this.#view.apply(claim, nowMs, event.from);
        }
        return;
      case "forget":
        if (event.nodeId !== this.#view.self.nodeId) this.#view.forget(event.nodeId, nowMs);
        return;
      case "readmit":
        this.#view.readmit(event.nodeId);
        return;
      case "connection-lost":
        this.#urgent.add(event.nodeId);
        if (this.#prober.probe === undefined) this.#probeAtMs = nowMs;
        return;
      case "process-gone":
        this.#view.suspectGone(event.nodeId, nowMs);
        return;
      case "update": {
        const { type: _, ...changes } = event;
        this.#view.sayAnew(changes);
        return;
      }
      case "leave":
        this.#leave();
        return;
      case "wake":
    }
  }

  #onMessage(address: string, message: SwimMessage, nowMs: number): void {
    const { from } = message;
    this.#view.heard(from, nowMs);
    for (const claim of message.claims) this.#view.apply(claim, nowMs, from);
    switch (message.kind) {
      case "ping":
        // The address may have gone over to this node from another one.
        if (message.target !== this.#view.self.nodeId) return;
        this.#out.send(from, address, { kind: "ack", sequence: message.sequence }, from);
        return;
      case "ping-request":
        this.#relay(address, message, nowMs);
        return;
      case "ack":
        this.#onAck(from, message.sequence);
        break;
      case "nack":
        if (this.#prober.probe?.sequence === message.sequence) {
          this.#prober.probe.silentHelpers.delete(from);
        }
        break;
      case "gossip":
    }
    // Who is dead here and speaks does not know it, or could not say so yet.
    const isDead = this.#view.members.get(from)?.state === "dead";
    if (isDead) this.#out.send(from, address, { kind: "gossip" }, from);
  }

  #relay(
    originAddress: string,
    message: Extract<SwimMessage, { kind: "ping-request" }>,
    nowMs: number,
  ): void {
    const { target, targetAddress, from: origin } = message;
    const untilMs = nowMs + this.#config.probeTimeoutMs;
    const sequence = this.#prober.nextSequence();
    const { sequence: originSequence } = message;
    const relay = { origin, originAddress, originSequence, target, untilMs };
    // Only to nodes of this mesh, at their own address: nobody may use us to reach others.
    const known = this.#view.members.get(target);
    if (known?.record.address !== targetAddress || !this.#prober.addRelay(sequence, relay)) return;
    this.#out.send(target, targetAddress, { kind: "ping", sequence, target }, target);
  }

  /** Only from whom it was asked: nobody else may vouch for a node that is silent. */
  #onAck(from: NodeId, sequence: number): void {
    const { probe, relays } = this.#prober;
    if (probe?.sequence === sequence) {
      if (from !== probe.target && !probe.helpers.has(from)) return;
      this.#prober.probe = undefined;
      this.#health.change(-1);
      return;
    }
    const relay = relays.get(sequence);
    if (relay === undefined || relay.target !== from) return;
    relays.delete(sequence);
    const ack = { kind: "ack", sequence: relay.originSequence } as const;
    this.#out.send(relay.origin, relay.originAddress, ack);
  }

  #leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#view.sayAnew({ isLeaving: true });
    this.#spreadWidely();
  }

  /** What this node says about itself in need: many hear it at once, and the others from them. */
  #spreadWidely(): void {
    const nodes = this.#present(Math.max(WIDE_NODES, this.#config.gossipNodes));
    for (const { record } of nodes) {
      this.#out.send(record.nodeId, record.address, { kind: "gossip" });
    }
  }

  /** Timers that fire late mean that this process stood still, and its answers lie unread. */
  #noticeStall(nowMs: number): void {
    const lateMs = nowMs - this.#wakeMs;
    if (lateMs < STALL_MS_MIN) return;
    this.#prober.addStall(lateMs);
    this.#view.addStall(lateMs);
    this.#health.change(1);
    this.#wakeMs = nowMs;
  }

  #runDue(nowMs: number): void {
    this.#view.expire(nowMs);
    this.#runRelays(nowMs);
    this.#runProbe(nowMs);
    if (this.#exchanger.returned !== undefined) {
      this.#exchangeAtMs = Math.min(this.#exchangeAtMs, nowMs + this.#random() * HEAL_MS_MAX);
    }
    if (nowMs >= this.#gossipAtMs) {
      this.#gossipAtMs = nowMs + this.#config.gossipIntervalMs;
      this.#spread();
    }
    if (nowMs >= this.#exchangeAtMs) {
      this.#exchangeAtMs = nowMs + this.#config.syncIntervalMs * (0.75 + this.#random() / 2);
      if (!this.#isLeaving) this.#exchanger.run();
    }
  }

  #runRelays(nowMs: number): void {
    for (const [sequence, relay] of this.#prober.relays) {
      if (relay.untilMs > nowMs) continue;
      this.#prober.relays.delete(sequence);
      const nack = { kind: "nack", sequence: relay.originSequence } as const;
      this.#out.send(relay.origin, relay.originAddress, nack);
    }
  }

  #runProbe(nowMs: number): void {
    const { probe } = this.#prober;
    if (probe?.isIndirect && nowMs >= probe.untilMs) {
      this.#prober.probe = undefined;
      // Nacks show that this side hears others: then it is not to blame.
      this.#health.change(probe.silentHelpers.size);
      this.#view.suspect(probe.target, nowMs);
    } else if (probe?.isIndirect === false && nowMs >= probe.directUntilMs) {
      this.#askOthers(probe.target, nowMs);
    } else if (probe !== undefined && nowMs >= probe.repeatAtMs) {
      probe.repeatAtMs = Number.POSITIVE_INFINITY;
      this.#ping(probe.target, probe.sequence);
    }
    if (this.#prober.probe === undefined && nowMs >= this.#probeAtMs) this.#beginProbe(nowMs);
  }

  #beginProbe(nowMs: number): void {
    const { probeIntervalMs, probeTimeoutMs, indirectTimeoutMs } = this.#config;
    const { factor } = this.#health;
    this.#probeAtMs = nowMs + probeIntervalMs * factor;
    const target = this.#isLeaving ? undefined : this.#nextTarget();
    if (target === undefined) return;
    const sequence = this.#prober.nextSequence();
    const timeoutMs = probeTimeoutMs * factor;
    const directUntilMs = nowMs + timeoutMs;
    this.#prober.probe = {
      target: target.record.nodeId,
      sequence,
      repeatAtMs: nowMs + timeoutMs / 2,
      directUntilMs,
      untilMs: directUntilMs + indirectTimeoutMs * factor,
      isIndirect: false,
      helpers: new Set(),
      silentHelpers: new Set(),
    };
    this.#ping(target.record.nodeId, sequence);
  }

  #ping(target: NodeId, sequence: number): void {
    const member = this.#view.members.get(target);
    if (member === undefined) return;
    this.#out.send(target, member.record.address, { kind: "ping", sequence, target }, target);
  }

  #nextTarget(): Member | undefined {
    for (const nodeId of this.#urgent) {
      this.#urgent.delete(nodeId);
      const member = this.#view.members.get(nodeId);
      if (member !== undefined && isPresent(member.state)) return member;
    }
    return this.#view.members.nextInRing(this.#random);
  }

  #askOthers(target: NodeId, nowMs: number): void {
    const { probe } = this.#prober;
    const member = this.#view.members.get(target);
    if (probe === undefined || member === undefined || !isPresent(member.state)) {
      this.#prober.probe = undefined;
      return;
    }
    const { indirectChecks } = this.#config;
    const others = this.#view.members.pick(
      indirectChecks,
      this.#random,
      ({ record, state }) => state === "alive" && record.nodeId !== target,
    );
    probe.isIndirect = true;
    const { sequence } = probe;
    const { address: targetAddress } = member.record;
    for (const { record } of others) {
      const message = { kind: "ping-request", sequence, target, targetAddress } as const;
      probe.helpers.add(record.nodeId);
      probe.silentHelpers.add(record.nodeId);
      this.#out.send(record.nodeId, record.address, message, target);
    }
    // Alone with a silent node, there is nobody to wait for.
    if (others.length === 0) probe.untilMs = Math.min(probe.untilMs, nowMs + 1);
  }

  #spread(): void {
    if (this.#view.gossip.size === 0) return;
    for (const { record } of this.#present(this.#config.gossipNodes)) {
      const { nodeId, address } = record;
      this.#out.send(nodeId, address, { kind: "gossip" }, nodeId);
    }
  }

  #present(count: number): Member[] {
    return this.#view.members.pick(count, this.#random, ({ state }) => isPresent(state));
  }

  #plan(): void {
    const due = [
      this.#gossipAtMs,
      this.#exchangeAtMs,
      this.#prober.probe === undefined ? this.#probeAtMs : undefined,
      this.#prober.dueMs,
      this.#view.dueMs,
    ];
    this.#wakeMs = Math.min(...due.filter((ms) => ms !== undefined));
  }
}
