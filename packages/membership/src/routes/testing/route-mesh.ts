/**
 * Many `RouteMachine`s with real keys under a virtual clock. What they send gets lost, doubled and
 * reordered as the seed says. For tests.
 */
import { canonicalJson, type NodeId } from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import type { ServiceAnnouncement } from "../../ports.js";
import { type RouteAnnouncement, signAnnouncement } from "../announcement.js";
import type { RouteEffect, RouteEvent } from "../route-events.js";
import { routeGraph } from "../route-graph.js";
import { RouteMachine } from "../route-machine.js";
import { RouteTable } from "../route-table.js";

/** Of the nodes of a mesh, by their index. */
const keys = Array.from({ length: 7 }, () => {
  const pair = generateKeyPair();
  const sign = signerOf(pair.privateKeyPem);
  return { nodeId: pair.nodeId, publicKey: publicKeyDerOf(pair.publicKeyPem), sign };
});
type Key = (typeof keys)[number];
export const keyOf = (index: number) => keys[index] as Key;
export const idOf = (index: number) => keyOf(index).nodeId;
/** A service to announce. */
export const web: ServiceAnnouncement = {
  name: "web",
  capabilities: [],
  protocol: "http",
  health: "ok",
  load: 0,
};

/** Machines, links between them, and a virtual clock; deliveries get lost, twice and reordered. */
export class RouteMesh {
  readonly machines: RouteMachine[] = [];
  /** What all the nodes know. */
  readonly publicKeys = new Map(keys.map(({ nodeId, publicKey }) => [nodeId, publicKey]));
  nowMs = 0;
  loss = 0;
  twice = 0;
  delayMsMax = 30;
  #state: number;
  readonly #up = new Set<string>();
  readonly #queue: { atMs: number; to: number; link: string; event: RouteEvent }[] = [];

  constructor(size: number, seed = 1) {
    this.#state = (Math.imul(seed + 1, 0x9e37_79b1) >>> 0) | 1;
    for (let index = 0; index < size; index++) this.start(index, 1_000_000);
  }

  random = () => {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  };

  /** A new life, without links. */
  start(index: number, epoch: number): void {
    for (const link of [...this.#up]) {
      const [a, b] = link.split("-").map(Number) as [number, number];
      if (a === index || b === index) this.disconnect(a, b);
    }
    const { random, publicKeys } = this;
    const publicKeyOf = (nodeId: NodeId) => publicKeys.get(nodeId);
    const options = { self: keyOf(index), relays: true, epoch, publicKeyOf, random };
    this.machines[index] = new RouteMachine(options, this.nowMs);
  }

  connect(a: number, b: number, ms = 10): void {
    const link = nameOf(a, b);
    if (a === b || this.#up.has(link)) return;
    this.#up.add(link);
    const common = { type: "link-up", kind: "direct", roundTripMs: ms } as const;
    this.tell(a, { ...common, nodeId: idOf(b) });
    this.tell(b, { ...common, nodeId: idOf(a) });
  }

  disconnect(a: number, b: number): void {
    if (!this.#up.delete(nameOf(a, b))) return;
    this.tell(a, { type: "link-down", nodeId: idOf(b) });
    this.tell(b, { type: "link-down", nodeId: idOf(a) });
  }

  tell(index: number, event: RouteEvent): RouteEffect[] {
    const effects = this.machine(index).step(event, this.nowMs);
    for (const effect of effects) this.#perform(index, effect);
    return effects;
  }

  machine(index: number): RouteMachine {
    return this.machines[index] as RouteMachine;
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const wakes = this.machines.map(({ wakeMs }) => wakeMs);
      const wakeMs = Math.min(...wakes);
      const next = this.#queue[0];
      const isDelivery = next !== undefined && next.atMs <= wakeMs;
      const atMs = isDelivery ? next.atMs : wakeMs;
      if (atMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, atMs);
      if (!isDelivery) this.tell(wakes.indexOf(wakeMs), { type: "wake" });
      else if (this.#queue.shift() && this.#up.has(next.link)) this.tell(next.to, next.event);
    }
    this.nowMs = untilMs;
  }

  view(index: number): string {
    const all = [...this.machine(index).announcements()].map((one) => ({
      ...one,
      neighbours: [...one.neighbours].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
    }));
    return canonicalJson(all.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)));
  }

  table(index: number): RouteTable {
    return new RouteTable(routeGraph(this.machine(index).announcements()));
  }

  #perform(from: number, effect: RouteEffect): void {
    if (effect.type === "changed") return;
    const to = keys.findIndex(({ nodeId }) => nodeId === effect.to);
    const event: RouteEvent =
      effect.type === "send"
        ? { type: "announcements", from: idOf(from), announcements: effect.announcements }
        : { ...effect, type: "digest", from: idOf(from) };
    const copies = this.random() < this.loss ? 0 : this.random() < this.twice ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const atMs = this.nowMs + 1 + this.random() * this.delayMsMax;
      this.#queue.push({ atMs, to, link: nameOf(from, to), event });
    }
    this.#queue.sort((a, b) => a.atMs - b.atMs);
  }
}

export const nameOf = (a: number, b: number) => `${Math.min(a, b)}-${Math.max(a, b)}`;

export function forge(change: Partial<RouteAnnouncement>, signer: Key): Uint8Array {
  const common = { epoch: 9_000_000, sequence: 1, relays: true, neighbours: [], services: [] };
  return signAnnouncement({ nodeId: signer.nodeId, ...common, ...change }, signer.sign);
}

export const offer = (bytes: Uint8Array, from = idOf(1), ageMs = 0): RouteEvent => {
  return { type: "announcements", from, announcements: [{ bytes, ageMs }] };
};

export function forgedBase(nodeId: NodeId): RouteAnnouncement {
  return { nodeId, epoch: 5, sequence: 5, relays: true, neighbours: [], services: [web] };
}
