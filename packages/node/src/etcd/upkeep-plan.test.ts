import { describe, expect, it } from "vitest";
import { type MemberSize, planSpace } from "./upkeep-plan.js";

const MIB = 1 << 20;
const size = (name: string, sizeMib: number, inUseMib: number, isLeader = false): MemberSize => ({
  endpoint: name,
  memberId: name,
  isLeader,
  sizeBytes: sizeMib * MIB,
  inUseBytes: inUseMib * MIB,
});
const quotaBytes = 2048 * MIB;

describe("the space of the store", () => {
  it("is given back when much of a file is free, the leader's last", () => {
    const members = [size("leader", 300, 50, true), size("b", 300, 50), size("c", 300, 200)];
    const plan = planSpace({ members, quotaBytes, isFull: false });
    expect(plan).toEqual({
      compact: false,
      defragment: ["b", "leader"],
      disarmBelowBytes: undefined,
    });
    const small = [size("a", 60, 1, true)];
    expect(planSpace({ members: small, quotaBytes, isFull: false }).defragment).toEqual([]);
  });

  it("is made by cutting the history before the quota is reached", () => {
    const members = [size("a", 1700, 400, true), size("b", 1700, 1650)];
    const plan = planSpace({ members, quotaBytes, isFull: false });
    expect(plan).toMatchObject({ compact: true, defragment: ["a"] });
  });

  it("is made for every member of a full store, whose alarm is lifted below the quota", () => {
    const members = [size("a", 2048, 100, true), size("b", 2000, 100)];
    const plan = planSpace({ members, quotaBytes, isFull: true });
    expect(plan).toEqual({
      compact: true,
      defragment: ["b", "a"],
      disarmBelowBytes: quotaBytes * 0.8,
    });
  });
});
