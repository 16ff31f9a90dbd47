import type { NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { LEFT_TOLD_MS, PEERS_REMEMBERED_MAX } from "./limits.js";
import { PeerLog } from "./peer-log.js";

const peer = (name: string, state: "alive" | "suspect" | "dead" | "left") => ({
  ...{ nodeId: name as NodeId, name, state },
});

describe("the log of peers", () => {
  it("tells for a day that one left in order, and that it is back", () => {
    const log = new PeerLog();
    log.see(peer("b", "alive"), 0);
    log.see(peer("b", "left"), 1_000);
    // Membership says so again and again, until it forgets the node.
    log.see(peer("b", "left"), 5_000);
    expect(log.all()).toEqual([]);
    expect(log.left(6_000)).toEqual([{ nodeId: "b", name: "b", leftAtMs: 1_000, isBack: false }]);
    expect(log.left(1_000 + LEFT_TOLD_MS - 1)).toHaveLength(1);
    expect(log.left(1_000 + LEFT_TOLD_MS)).toEqual([]);
    log.see(peer("b", "alive"), 2 * LEFT_TOLD_MS);
    log.see(peer("b", "left"), 2 * LEFT_TOLD_MS);
    log.see(peer("b", "alive"), 2 * LEFT_TOLD_MS);
    expect(log.left(2 * LEFT_TOLD_MS)[0]?.isBack).toBe(true);
    log.see(peer("b", "dead"), 2 * LEFT_TOLD_MS);
    expect(log.all()[0]?.death).toBeDefined();
    log.forget("b" as NodeId);
    expect([log.all(), log.left(2 * LEFT_TOLD_MS)]).toEqual([[], []]);
  });

  it("takes no news of one that it has never seen", () => {
    const log = new PeerLog();
    log.see(peer("old", "left"), 0);
    expect(log.left(0)).toEqual([]);
  });

  it("remembers so many that left, the newest", () => {
    const log = new PeerLog();
    for (let at = 0; at < PEERS_REMEMBERED_MAX + 3; at++) {
      log.see(peer(`n${at}`, "alive"), at);
      log.see(peer(`n${at}`, "left"), at);
    }
    const left = log.left(PEERS_REMEMBERED_MAX);
    expect([left.length, left[0]?.name]).toEqual([PEERS_REMEMBERED_MAX, "n3"]);
  });
});
