import type { NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { DATAGRAM_BYTES_MAX } from "../limits.js";
import { nodeIdOf, SwimNetwork, type SwimNetworkOptions } from "../testing/swim-network.js";
import { SWIM_LAN, SWIM_WAN } from "./config.js";
import { claimBytesMax, GossipQueue } from "./gossip-queue.js";
import type { NodeRecord, SwimMessage } from "./messages.js";
import { Suspicion, suspicionMs } from "./suspicion.js";

const NAMES = Array.from({ length: 200 }, (_, index) => `node${index}`);

const STRANGER = `${"z".repeat(51)}a` as NodeId;

/** A mesh that has found itself, all by way of the first node. */
function mesh(size: number, options: Partial<SwimNetworkOptions> = {}): SwimNetwork {
  const network = new SwimNetwork({ seed: 1, ...options });
  for (const name of NAMES.slice(0, size)) network.start(name, [NAMES[0] as string]);
  expect(network.runUntil(() => network.hasConverged, 30_000)).toBeDefined();
  network.run(2000);
  network.changes.length = 0;
  return network;
}

const deaths = (network: SwimNetwork) => network.changes.filter(({ after }) => after === "dead");

function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
}

describe("a suspicion", () => {
  it.each([
    [0, 10, SWIM_LAN.suspicionMaxMs],
    [2, 10, SWIM_LAN.suspicionMinMs],
    [5, 10, SWIM_LAN.suspicionMinMs],
    [0, 3, SWIM_LAN.suspicionMinMs],
  ])("with %i confirmations among %i nodes lasts %i ms", (confirmations, nodes, ms) => {
    expect(suspicionMs(SWIM_LAN, confirmations, nodes)).toBe(ms);
  });

  it("falls with each confirmation, by the logarithm", () => {
    const one = suspicionMs(SWIM_LAN, 1, 10);
    const share = Math.log(2) / Math.log(3);
    expect(one).toBeCloseTo(6000 - share * (6000 - SWIM_LAN.suspicionMinMs));
  });

  it("is longer than a stall that must be survived, in every profile", () => {
    expect(SWIM_LAN.suspicionMinMs).toBeGreaterThan(2000);
    expect(SWIM_WAN.suspicionMinMs).toBeGreaterThan(SWIM_LAN.suspicionMinMs);
  });
});

describe("confirmations of a suspicion", () => {
  const who = (letter: string) => letter.repeat(52) as NodeId;
  const begun = () => new Suspicion(SWIM_LAN, who("a"), "second", 0);

  it("that others quote count when the own probe failed, and not before", () => {
    const suspicion = begun();
    expect(suspicion.confirm(who("b"), "second")).toBe(true);
    expect(suspicion.confirm(who("b"), "second")).toBe(false);
    suspicion.confirm(who("c"), "second");
    expect(suspicion.deadlineMs(10)).toBe(SWIM_LAN.suspicionMaxMs);
    suspicion.confirm(who("s"), "own");
    expect(suspicion.deadlineMs(10)).toBe(SWIM_LAN.suspicionMinMs);
  });

  it("at first hand count at once, also of one who was quoted before", () => {
    const suspicion = begun();
    for (const letter of ["a", "b"]) suspicion.confirm(who(letter), "first");
    expect(suspicion.deadlineMs(10)).toBe(suspicionMs(SWIM_LAN, 1, 10));
    suspicion.confirm(who("c"), "first");
    expect(suspicion.deadlineMs(10)).toBe(SWIM_LAN.suspicionMinMs);
    suspicion.addStall(500);
    expect(suspicion.deadlineMs(10)).toBe(SWIM_LAN.suspicionMinMs + 500);
  });
});

describe("the queue of news", () => {
  const claim = (nodeId: string) =>
    ({ kind: "suspect", nodeId: nodeId as NodeId, incarnation: 1, from: "x" as NodeId }) as const;

  it("gives the least sent first, each as often as wanted, within the bytes", () => {
    const queue = new GossipQueue();
    queue.add(claim("a"));
    expect(queue.take(1000, 3).length).toBe(1);
    queue.add(claim("b"));
    const room = claimBytesMax(claim("a"));
    expect(queue.take(room, 3)).toEqual([claim("b")]);
    expect(queue.take(room, 3)).toEqual([claim("a")]);
    expect(queue.take(10, 3)).toEqual([]);
    queue.take(1000, 3);
    expect(queue.take(1000, 3)).toEqual([claim("b")]);
    expect(queue.size).toBe(0);
  });
});

describe("a mesh", () => {
  it("finds itself by way of one node", () => {
    const network = new SwimNetwork({ seed: 3 });
    for (const name of NAMES.slice(0, 10)) network.start(name, ["node0"]);
    const tookMs = network.runUntil(() => network.hasConverged, 10_000);
    expect(tookMs).toBeLessThan(2000);
  });

  it("notices a crash within 3 s, everywhere, in every one of 100 runs", () => {
    const times: number[] = [];
    for (let seed = 0; seed < 100; seed++) {
      const network = mesh(5, { seed });
      network.run(seed * 7);
      network.crash("node3");
      const tookMs = network.runUntil(() => network.allSee("node3", "dead"), 20_000);
      times.push(tookMs ?? Number.POSITIVE_INFINITY);
    }
    expect(percentile(times, 0.99)).toBeLessThanOrEqual(3000);
  });

  it("notices it sooner when connections break too", () => {
    const network = mesh(5);
    network.crash("node3");
    for (const name of ["node0", "node1"]) network.connectionLost(name, "node3");
    const tookMs = network.runUntil(() => network.allSee("node3", "dead"), 20_000);
    expect(tookMs).toBeLessThan(2650);
  });

  it("notices it at once where the machine itself says that the process is gone", () => {
    const network = mesh(5);
    network.crash("node3");
    for (const name of ["node0", "node1", "node2", "node4"]) {
      network.inject(name, { type: "process-gone", nodeId: nodeIdOf("node3") });
    }
    network.run(SWIM_LAN.goneSuspicionMs - 50);
    expect(deaths(network)).toEqual([]);
    network.run(100);
    expect(deaths(network)).toHaveLength(4);
  });

  it("lets a node that is there refute that its process is gone, also when all say so", () => {
    const network = mesh(5);
    for (let round = 0; round < 20; round++) {
      for (const name of ["node0", "node1", "node2", "node4"]) {
        network.inject(name, { type: "process-gone", nodeId: nodeIdOf("node3") });
      }
      network.run(5000);
    }
    expect(deaths(network)).toEqual([]);
    expect(network.hasConverged).toBe(true);
  });

  it("calls nobody dead in 10 minutes of stalls of 2 s and a loss of 20 %", () => {
    const network = mesh(5, { loss: 0.2, seed: 11 });
    for (let second = 0; second < 600; second += 4) {
      network.stall(`node${second % 5}`, 2000);
      network.run(4000);
    }
    expect(deaths(network)).toEqual([]);
    expect(network.runUntil(() => network.hasConverged, 5000)).toBeDefined();
  });

  it("hears of a graceful leave within half a second, and calls nobody dead for it", () => {
    const network = mesh(5);
    network.leave("node2");
    const tookMs = network.runUntil(() => network.allSee("node2", "left"), 5000, 1);
    expect(tookMs).toBeLessThan(500);
    network.crash("node2");
    network.run(10_000);
    expect(deaths(network)).toEqual([]);
  });

  it("comes together again after it was cut in two", () => {
    const network = mesh(6);
    const isLeft = (name: string) => ["node0", "node1", "node2"].includes(name);
    network.cut((from, to) => isLeft(from) !== isLeft(to));
    network.run(12_000);
    expect(network.state("node0", "node5")).toBe("dead");
    network.cut(() => false);
    const tookMs = network.runUntil(() => network.hasConverged, 30_000);
    expect(tookMs).toBeLessThan(10_000);
  });

  it("is not disturbed by a link that works in one direction only", () => {
    const network = mesh(5);
    network.cut((from, to) => from === "node1" && to === "node2");
    network.run(30_000);
    expect(deaths(network)).toEqual([]);
  });

  it("takes a node back that was restarted and has forgotten its incarnation", () => {
    const network = mesh(4);
    network.stall("node1", 1500);
    network.run(4000);
    expect(network.machine("node1").self.incarnation).toBeGreaterThan(1);
    network.crash("node1");
    network.run(6000);
    network.start("node1", ["node0"]);
    expect(network.runUntil(() => network.hasConverged, 20_000)).toBeLessThan(10_000);
  });

  it("comes back when all nodes were restarted at once", () => {
    const network = mesh(4);
    for (const name of NAMES.slice(0, 4)) network.crash(name);
    network.run(1000);
    for (const name of NAMES.slice(0, 4)) network.start(name, NAMES.slice(0, 4));
    expect(network.runUntil(() => network.hasConverged, 20_000)).toBeLessThan(10_000);
  });

  it("refuses what is not said by the node itself, and beliefs about strangers", () => {
    const network = mesh(3);
    const { self } = network.machine("node1");
    const forged = { ...self, incarnation: 99, address: "evil:1", proof: Uint8Array.of(1) };
    const stranger = { kind: "dead", nodeId: STRANGER, incarnation: 1, from: STRANGER };
    network.inject("node0", {
      type: "view",
      claims: [{ kind: "self", record: forged }, stranger as never],
    });
    expect(network.machine("node0").refusedCount).toBe(1);
    expect(
      network
        .machine("node0")
        .members.map(({ record }) => record.address)
        .sort(),
    ).toEqual(["node1:7946", "node2:7946"]);
  });

  it("does not take a dead word about a node that answers, and lets it speak for itself", () => {
    const network = mesh(3);
    const { nodeId } = network.machine("node1").self;
    const liar = network.machine("node2").self.nodeId;
    const lie = { kind: "dead", nodeId, incarnation: 1, from: liar } as const;
    network.inject("node0", { type: "view", claims: [lie], from: liar });
    expect(network.state("node0", "node1")).toBe("suspect");
    expect(network.runUntil(() => network.hasConverged, 2000)).toBeDefined();
    expect(network.machine("node1").self.incarnation).toBe(2);
    expect(deaths(network)).toEqual([]);
  });

  it("takes no belief of who is not here, nor one that is put into its own mouth", () => {
    const network = mesh(3);
    const { nodeId } = network.machine("node1").self;
    for (const from of [STRANGER, network.machine("node0").self.nodeId]) {
      const lie = { kind: "suspect", nodeId, incarnation: 1, from } as const;
      network.inject("node0", { type: "view", claims: [lie], from: STRANGER });
    }
    expect(network.state("node0", "node1")).toBe("alive");
    expect(network.machine("node0").refusedCount).toBe(2);
  });

  it("makes its incarnation higher by one at most for what others say", () => {
    const network = mesh(2);
    const { machine } = { machine: network.machine("node0") };
    const { nodeId } = machine.self;
    const from = network.machine("node1").self.nodeId;
    const lie = { kind: "dead", nodeId, incarnation: Number.MAX_SAFE_INTEGER, from } as const;
    network.inject("node0", { type: "view", claims: [lie], from });
    expect(machine.self.incarnation).toBe(1);
    network.inject("node0", { type: "view", claims: [{ ...lie, incarnation: 1 }], from });
    expect(machine.self.incarnation).toBe(2);
  });

  it("believes an answer to a probe only from whom it asked", () => {
    const network = mesh(3);
    for (const name of ["node1", "node2"]) network.crash(name);
    const from = STRANGER;
    for (let turn = 0; turn < 300; turn++) {
      network.run(20);
      for (let sequence = 1; sequence < 400; sequence++) {
        const message = { kind: "ack", from, sequence, claims: [] } as const;
        network.inject("node0", { type: "message", address: "node2:7946", message });
      }
    }
    expect(network.state("node0", "node1")).toBe("dead");
  });

  it("passes an answer on only from whom it pinged for another", () => {
    const network = mesh(4);
    const [asker, target, liar] = ["node1", "node2", "node3"].map(
      (name) => network.machine(name).self,
    ) as [NodeRecord, NodeRecord, NodeRecord];
    const { machine } = { machine: network.machine("node0") };
    const take = (address: string, message: SwimMessage) =>
      machine
        .step({ type: "message", address, message }, network.nowMs)
        .filter((effect) => effect.type === "send");
    const [ping] = take(asker.address, {
      ...{ kind: "ping-request", from: asker.nodeId, sequence: 7, claims: [] },
      ...{ target: target.nodeId, targetAddress: target.address },
    }).filter(({ message }) => message.kind === "ping" && message.target === target.nodeId);
    const sequence = ping?.message.kind === "ping" ? ping.message.sequence : -1;
    const acksOf = (from: NodeRecord) =>
      take(from.address, { kind: "ack", from: from.nodeId, sequence, claims: [] }).filter(
        ({ message, to }) => message.kind === "ack" && to === asker.nodeId,
      );
    expect(acksOf(liar)).toEqual([]);
    expect(acksOf(target)).toHaveLength(1);
  });

  it("forgets a removed node at once, and no gossip brings it back until it is readmitted", () => {
    const network = mesh(4);
    const { nodeId } = network.machine("node1").self;
    network.inject("node0", { type: "forget", nodeId });
    expect(network.state("node0", "node1")).toBeUndefined();
    expect(network.changes.at(-1)).toMatchObject({ subject: "node1", after: "left" });
    network.stall("node1", 1500);
    network.run(20_000);
    expect(network.state("node2", "node1")).toBe("alive");
    expect(network.state("node0", "node1")).toBeUndefined();
    network.inject("node0", { type: "readmit", nodeId });
    expect(network.runUntil(() => network.hasConverged, 20_000)).toBeDefined();
  });

  it("takes two nodes back that were restarted at once with each other's address", () => {
    const network = mesh(4);
    network.crash("node1");
    network.crash("node2");
    network.start("node1", ["node0"], 10, "node2:7946");
    network.start("node2", ["node0"], 10, "node1:7946");
    expect(network.runUntil(() => network.hasConverged, 10_000)).toBeDefined();
    expect(deaths(network)).toEqual([]);
  });

  it("takes a node back that has left, at another address", () => {
    const network = mesh(4);
    network.leave("node2");
    network.run(1000);
    const { incarnation } = network.machine("node2").self;
    network.crash("node2");
    network.run(10_000);
    network.start("node2", ["node3"], incarnation + 1, "elsewhere:1");
    expect(network.runUntil(() => network.hasConverged, 5000)).toBeDefined();
    const { members } = network.machine("node0");
    const back = members.find(({ record }) => record.name === "node2");
    expect(back?.record.address).toBe("elsewhere:1");
  });

  it("does not let itself be used to ping others", () => {
    const network = mesh(2);
    const { machine } = { machine: network.machine("node0") };
    const effects = machine.step(
      {
        type: "message",
        address: "evil:1",
        message: {
          kind: "ping-request",
          sequence: 1,
          target: network.machine("node1").self.nodeId,
          targetAddress: "victim:53",
          from: STRANGER,
          claims: [],
        },
      },
      network.nowMs,
    );
    expect(effects.filter(({ type }) => type === "send")).toEqual([]);
  });

  it("spreads news by bounded datagrams, at a cost for each node that does not grow", {
    timeout: 60_000,
  }, () => {
    const costs = [10, 40, 160].map((size) => {
      const network = mesh(size, { seed: size });
      const before = network.datagramsSent("node1");
      network.run(30_000);
      return network.datagramsSent("node1") - before;
    });
    expect(Math.max(...costs)).toBeLessThan(2 * Math.min(...costs) + 100);
    const network = mesh(40);
    for (const name of NAMES.slice(20, 40)) network.crash(name);
    let largest = 0;
    for (let turn = 0; turn < 50; turn++) {
      network.run(100);
      for (const effect of network.machine("node0").step({ type: "wake" }, network.nowMs)) {
        if (effect.type !== "send") continue;
        const bytes = effect.message.claims.reduce((sum, claim) => sum + claimBytesMax(claim), 0);
        largest = Math.max(largest, bytes);
      }
    }
    expect(largest).toBeLessThan(DATAGRAM_BYTES_MAX);
  });

  it("does the same twice with the same seed", () => {
    const run = () => {
      const network = mesh(6, { seed: 42, loss: 0.1 });
      network.crash("node4");
      network.run(5000);
      return JSON.stringify(network.changes);
    };
    expect(run()).toBe(run());
  });
});
