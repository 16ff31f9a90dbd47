import type { NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PARTITION_WINDOW_MS, PEERS_REMEMBERED_MAX } from "./limits.js";
import { PartitionJudge } from "./partition.js";
import { PeerLog } from "./peer-log.js";

const id = (n: number) => `node-${n}` as NodeId;
const peer = (n: number, state: "alive" | "suspect" | "dead" | "left") => {
  return { nodeId: id(n), name: `n${n}`, state };
};

function logOf(alive: number): PeerLog {
  const log = new PeerLog();
  for (let n = 0; n < alive; n++) log.see(peer(n, "alive"), 0);
  return log;
}

describe("a partition", () => {
  it("is seen by the side that lost half of all, and by no other", () => {
    for (const [others, lost, is] of [
      [1, 1, false],
      [2, 1, false],
      [2, 2, true],
      [3, 1, false],
      [3, 2, true],
      [4, 2, false],
      [4, 3, true],
    ] as const) {
      const log = logOf(others);
      for (let n = 0; n < lost; n++) log.see(peer(n, "dead"), 100 * n);
      const { isPartition } = new PartitionJudge().judge(log.all());
      expect(isPartition, `${lost} of ${others} others`).toBe(is);
    }
  });

  it("is none when nodes are lost one after the other, or leave", () => {
    const log = logOf(4);
    for (let n = 0; n < 4; n++) log.see(peer(n, "dead"), n * (PARTITION_WINDOW_MS + 1));
    expect(new PartitionJudge().judge(log.all()).isPartition).toBe(false);
    const left = logOf(4);
    for (let n = 0; n < 4; n++) left.see(peer(n, "left"), 0);
    expect(new PartitionJudge().judge(left.all()).isPartition).toBe(false);
  });

  it("ends when less than half is still lost, and grows with those that follow", () => {
    const log = logOf(4);
    const judge = new PartitionJudge();
    for (const n of [0, 1, 2]) log.see(peer(n, "dead"), 0);
    expect(judge.judge(log.all()).lost.map(({ name }) => name)).toEqual(["n0", "n1", "n2"]);
    log.see(peer(3, "dead"), 1_000);
    expect(judge.judge(log.all())).toMatchObject({ isPartition: true, withinMs: 1_000 });
    for (const n of [0, 1]) log.see(peer(n, "alive"), 2_000);
    expect(judge.judge(log.all()).isPartition).toBe(false);
  });

  it("is seen by at most one side that goes on with more than half (property)", () => {
    const sides = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }));
    fc.assert(
      fc.property(sides, ([here, there]) => {
        fc.pre(here + there >= 3);
        const seenFrom = (own: number, other: number) => {
          const log = logOf(own - 1 + other);
          for (let n = 0; n < other; n++) log.see(peer(n, "dead"), n);
          return new PartitionJudge().judge(log.all()).isPartition;
        };
        expect(seenFrom(here, there)).toBe(there >= here);
        expect(seenFrom(here, there) || seenFrom(there, here)).toBe(true);
      }),
    );
  });
});

describe("what is remembered of others", () => {
  it("tells how a node died, once, and forgets it when it is back", () => {
    const log = logOf(1);
    log.linkBroke(id(0), "broke", 1_000);
    log.see(peer(0, "suspect"), 1_100);
    log.see(peer(0, "dead"), 1_600, 2_000);
    log.see(peer(0, "dead"), 9_000, 9_000);
    expect(log.get(id(0))?.death).toEqual({
      atMs: 1_600,
      how:
        "membership declared it dead: nothing was heard of it for 2.0 s, " +
        "its last link broke 0.6 s before and 0.5 s of suspicion brought no answer",
    });
    log.see(peer(0, "alive"), 10_000);
    expect(log.get(id(0))).toEqual({ nodeId: id(0), name: "n0", state: "alive", hadTrouble: true });
  });

  it("is bounded, the dead of long ago first", () => {
    const log = new PeerLog();
    for (let n = 0; n < PEERS_REMEMBERED_MAX + 10; n++) log.see(peer(n, "dead"), n);
    expect(log.all()).toHaveLength(PEERS_REMEMBERED_MAX);
    expect(log.get(id(0))).toBeUndefined();
    log.sync([peer(5_000, "alive")], 0);
    expect(log.all()).toHaveLength(PEERS_REMEMBERED_MAX + 1);
  });
});
