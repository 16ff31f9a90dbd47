/** What is told of a change of the lead, by the coordinator that leads from then on. */
import type { Leader, LeadershipState } from "@hearthmesh/collective";
import type { PeerState } from "@hearthmesh/membership";
import { describe, expect, it } from "vitest";
import { LeadChanges } from "./lead-changes.js";

const by = (nodeId: string, epoch: number): Leader => ({
  nodeId: nodeId as Leader["nodeId"],
  epoch,
  data: { name: `node-${nodeId}`, linkAddresses: [], apiAddresses: [] },
});

/** The healer of `b`, which sees one state after the other. */
function healerOfB(peers: Readonly<Record<string, PeerState>> = {}) {
  const changes = new LeadChanges({ nodeId: "b", peerState: (nodeId) => peers[nodeId] });
  let leader: Leader | undefined;
  const see = (seen: Leader | undefined, nowMs = 0) => {
    leader = seen;
    const role: LeadershipState["role"] = seen?.nodeId === "b" ? "leader" : "follower";
    changes.see({ role, leader }, nowMs);
  };
  return { see, facts: (nowMs = 0) => changes.facts({ leader }, nowMs) };
}

describe("a change of the lead", () => {
  it("is told by the one that leads now, with how the one before was lost", () => {
    const { see, facts } = healerOfB({ a: "dead" });
    see(by("a", 3));
    expect(facts()).toEqual([]);
    see(undefined);
    see(by("b", 4), 1_000);
    expect(facts(1_000)).toMatchObject([
      {
        symptom: "lead-changed",
        subject: { type: "coordinator", id: "a", name: "node-a" },
        verdict: "ill",
        evidence:
          "node-b leads, by epoch 4, after node-a by epoch 3; membership had declared it dead",
        values: { leader: "b", epoch: 4, epochBefore: 3 },
      },
    ]);
  });

  it.each([
    ["alive", /it is there, and gave the lead back or did not renew its lease in time/],
    ["suspect", /it does not answer, and its lease was over/],
    ["left", /it had said goodbye/],
    [undefined, /; its lease was over/],
  ] as const)("says what membership knows of the one before: %s", (state, words) => {
    const { see, facts } = healerOfB(state === undefined ? {} : { a: state });
    see(by("a", 3));
    see(by("b", 4));
    expect(facts()[0]?.evidence).toMatch(words);
  });

  it("is told when the same one leads anew", () => {
    const { see, facts } = healerOfB();
    see(by("b", 4));
    see(undefined);
    see(by("b", 5));
    expect(facts()[0]?.evidence).toMatch(
      /^node-b leads, by epoch 5, after node-b by epoch 4; it had not renewed its lease in time/,
    );
  });

  it("is none: the first leader, a raised epoch, an older epoch, the lead of others", () => {
    const { see, facts } = healerOfB();
    see(undefined);
    see(by("b", 4));
    expect(facts()).toEqual([]);
    see(by("b", 1_000_004));
    expect(facts()).toEqual([]);
    see(by("a", 3));
    see(by("b", 1_000_004));
    expect(facts()).toEqual([]);
    see(by("a", 1_000_005));
    see(by("c", 1_000_006));
    expect(facts()).toEqual([]);
  });

  it("is over after a minute, or when another one leads, and is then not told again", () => {
    const { see, facts } = healerOfB();
    see(by("a", 3));
    see(by("b", 4));
    expect(facts(59_999)[0]?.verdict).toBe("ill");
    expect(facts(60_000)).toMatchObject([
      { verdict: "well", evidence: "node-b leads, by epoch 4" },
    ]);
    expect(facts(60_001)).toEqual([]);
    see(by("a", 5), 60_002);
    see(by("b", 6), 60_003);
    see(by("c", 7), 60_004);
    expect(facts(60_005)).toMatchObject([
      { verdict: "well", evidence: "node-c leads, by epoch 7" },
    ]);
    expect(facts(60_006)).toEqual([]);
  });

  it("goes on being told while it is not known who leads", () => {
    const { see, facts } = healerOfB();
    see(by("a", 3));
    see(by("b", 4));
    see(undefined);
    expect(facts()[0]?.verdict).toBe("ill");
  });
});
