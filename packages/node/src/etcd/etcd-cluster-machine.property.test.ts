/**
 * Several machines against a model of etcd's membership: nodes crash, lose their data, come back
 * and are removed in any order. What each machine decides must keep the invariants in its head
 * comment, and when the trouble ends, the cluster must be whole again.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ClusterStep,
  EtcdClusterMachine,
  type Look,
  type SeenMember,
} from "./etcd-cluster-machine.js";

const NODES = 5;
const LOOK_MS = 2_000;

interface Node {
  readonly nodeId: string;
  readonly peerUrls: readonly string[];
  machine: EtcdClusterMachine;
  isUp: boolean;
  running: boolean;
  /** The member whose data it has. */
  dataOf: string | undefined;
  /** What it has written down. */
  memberId: string | undefined;
  pending: { step: ClusterStep; look: Look } | undefined;
}

interface Entry {
  id: string;
  nodeId: string | undefined;
  owner: Node;
  isLearner: boolean;
}

class World {
  readonly nodes: Node[] = [];
  readonly removed = new Set<string>();
  readonly votersMax: number;
  entries: Entry[] = [];
  nowMs = 0;
  #count = 0;

  constructor(votersMax: number) {
    this.votersMax = votersMax;
    for (let at = 0; at < NODES; at++) {
      const nodeId = `n${at}`;
      this.nodes.push({
        nodeId,
        peerUrls: [`https://${nodeId}:1`],
        machine: this.#machine(nodeId),
        isUp: at === 0,
        running: false,
        dataOf: undefined,
        memberId: undefined,
        pending: undefined,
      });
    }
  }

  #machine(nodeId: string): EtcdClusterMachine {
    return new EtcdClusterMachine({
      nodeId,
      votersMax: this.votersMax,
      mayCreate: nodeId === "n0",
    });
  }

  boot(node: Node): void {
    if (node.isUp || this.removed.has(node.nodeId)) return;
    Object.assign(node, { isUp: true, machine: this.#machine(node.nodeId) });
  }

  crash(node: Node): void {
    Object.assign(node, { isUp: false, running: false, pending: undefined });
  }

  /** It works as that member now. */
  isServing({ owner, id }: Entry): boolean {
    return owner.isUp && owner.running && owner.dataOf === id;
  }

  get hasMajority(): boolean {
    const voters = this.entries.filter(({ isLearner }) => !isLearner);
    return voters.filter((one) => this.isServing(one)).length > voters.length / 2;
  }

  lookOf(node: Node): Look {
    const leader = this.entries.find((one) => !one.isLearner && this.isServing(one));
    const members = this.entries.map(
      (one): SeenMember => ({
        id: one.id,
        nodeId: one.nodeId,
        isLearner: one.isLearner,
        peerUrls: one.owner.peerUrls,
        isReachable: this.isServing(one),
      }),
    );
    const others = this.nodes.filter((one) => one !== node);
    return {
      cluster:
        this.hasMajority && leader !== undefined
          ? { clusterId: "c", leaderId: leader.id, members }
          : undefined,
      isForeign: false,
      own: {
        peerUrls: node.peerUrls,
        hasData: node.dataOf !== undefined,
        running: node.running,
        memberId: node.memberId,
      },
      aliveNodeIds: others.filter(({ isUp }) => isUp).map(({ nodeId }) => nodeId),
      knowsOthers: this.entries.length > 1,
      removedNodeIds: this.removed,
    };
  }

  /** Every node looks once; what was decided the time before is done now. */
  tick(): void {
    this.nowMs += LOOK_MS;
    for (const node of this.nodes) {
      if (!node.isUp) continue;
      if (node.pending !== undefined) {
        this.#perform(node, node.pending.step);
        node.pending = undefined;
        node.machine.step({ type: "done" }, this.nowMs);
      }
      const look = this.lookOf(node);
      const step = node.machine.step({ type: "look", look }, this.nowMs);
      if (step === undefined) continue;
      check(step, look, this.votersMax);
      node.pending = { step, look };
    }
  }

  #perform(node: Node, step: ClusterStep): void {
    const entry = this.entries.find(({ owner, id }) => owner === node && id === node.dataOf);
    if (step.type === "create") this.#start(node, this.#add(node, false));
    else if (step.type === "start") this.#restart(node, entry);
    else if (step.type === "setAside") Object.assign(node, noData());
    else if (!this.hasMajority) return;
    else if (step.type === "join") {
      if (this.entries.some(({ isLearner }) => isLearner)) return;
      this.#start(node, this.#add(node, true));
    } else if (step.type === "startJoining") {
      const own = this.entries.find((one) => one.owner === node && one.nodeId === undefined);
      if (own !== undefined) this.#start(node, own);
    } else if (step.type === "promoteSelf") {
      if (entry !== undefined) entry.isLearner = false;
    } else if (step.type === "remove") {
      this.entries = this.entries.filter(({ id }) => id !== step.memberId);
    }
  }

  #add(owner: Node, isLearner: boolean): Entry {
    this.#count += 1;
    const entry = { id: `m${this.#count}`, nodeId: undefined, owner, isLearner };
    this.entries.push(entry);
    return entry;
  }

  #start(node: Node, entry: Entry): void {
    entry.nodeId = node.nodeId;
    Object.assign(node, { running: true, dataOf: entry.id, memberId: entry.id });
  }

  #restart(node: Node, entry: Entry | undefined): void {
    node.running = true;
    if (entry !== undefined) node.memberId = entry.id;
  }
}

function noData() {
  return { running: false, dataOf: undefined, memberId: undefined };
}

/** The invariants, on what the machine knew when it decided. */
function check(step: ClusterStep, { cluster, own, removedNodeIds }: Look, votersMax: number): void {
  const members = cluster?.members ?? [];
  const voters = members.filter(({ isLearner }) => !isLearner);
  if (step.type === "create") {
    expect(cluster).toBeUndefined();
    expect(own.hasData || own.memberId !== undefined).toBe(false);
  }
  if (step.type === "join") {
    expect(members.some(({ isLearner }) => isLearner)).toBe(false);
    expect(voters.length).toBeLessThan(votersMax);
  }
  if (step.type === "promoteSelf") expect(voters.length).toBeLessThan(votersMax);
  if (step.type !== "remove" || cluster === undefined) return;
  const victim = members.find(({ id }) => id === step.memberId);
  expect(victim).toBeDefined();
  const byOperator = removedNodeIds.has(victim?.nodeId ?? "");
  expect(victim?.isReachable === false || byOperator).toBe(true);
  if (victim?.isLearner === true) return;
  const remaining = voters.filter((one) => one !== victim);
  const answering = remaining.filter(({ isReachable }) => isReachable);
  expect(answering.length * 2).toBeGreaterThan(remaining.length);
}

const command = fc.record({
  what: fc.constantFrom("boot", "boot", "boot", "crash", "wipe", "remove", "wait"),
  node: fc.nat(NODES - 1),
  ticks: fc.oneof(fc.nat(20), fc.constant(600)),
});

describe("a cluster of machines", () => {
  it("keeps its invariants in any trouble, and is whole again when it ends", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 3, 5),
        fc.array(command, { maxLength: 25 }),
        (votersMax, commands) => {
          const world = new World(votersMax);
          for (let at = 0; at < 10; at++) world.tick();
          for (const { what, node: index, ticks } of commands) {
            const node = world.nodes[index] as Node;
            if (what === "boot") world.boot(node);
            if (what === "crash" || what === "wipe") world.crash(node);
            if (what === "wipe") node.dataOf = undefined;
            if (what === "remove" && index > 0) {
              world.removed.add(node.nodeId);
              world.crash(node);
            }
            for (let at = 0; at < ticks; at++) world.tick();
          }
          for (const node of world.nodes) world.boot(node);
          for (let at = 0; at < 40; at++) world.tick();
          // Too much was lost at once for anybody to go on: then nobody may pretend otherwise.
          if (!world.hasMajority) {
            expect(world.nodes.map(({ machine }) => machine.phase)).not.toContain("joining");
            return;
          }
          for (let at = 0; at < 1_500; at++) world.tick();
          const voters = world.entries.filter(({ isLearner }) => !isLearner);
          const present = world.nodes.filter(({ isUp }) => isUp).length;
          expect(world.entries.every((one) => world.isServing(one))).toBe(true);
          expect(world.entries.some(({ nodeId }) => world.removed.has(nodeId ?? ""))).toBe(false);
          expect(voters.length).toBeLessThanOrEqual(votersMax);
          const wanted = Math.min(votersMax, present % 2 === 0 ? present - 1 : present);
          expect(voters.length).toBeGreaterThanOrEqual(wanted);
        },
      ),
      { numRuns: 300 },
    );
  }, 60_000);
});
