import { MeshError, type NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { FAULT_FORGOTTEN_MS, FAULT_MS_MAX, FAULT_MS_MIN, FAULTY_MEMBERS_MAX } from "./limits.js";
import { MemberFaults } from "./member-faults.js";
import { judgeRefusal } from "./ring-verdicts.js";

const [A, B, C] = ["a", "b", "c"] as NodeId[] as [NodeId, NodeId, NodeId];
const WRONG = new MeshError("MESH_RING_FRAME_INVALID");
const SILENT = new MeshError("MESH_RING_BROKEN", { details: { waitedMs: 1000 } });
const LOST = new MeshError("MESH_RING_BROKEN");

function book() {
  let nowMs = 0;
  const faults = new MemberFaults({ monotonicMs: () => nowMs });
  const pass = (durationMs: number) => {
    nowMs += durationMs;
  };
  return { faults, pass };
}

describe("a member that did something wrong", () => {
  it("is left out for a while, and longer each time", () => {
    const { faults, pass } = book();
    for (const times of [1, 2, 4, 8]) {
      faults.take(B, WRONG);
      pass(times * FAULT_MS_MIN - 1);
      expect(faults.isOut(B)).toBe(true);
      pass(1);
      expect(faults.isOut(B)).toBe(false);
    }
    for (let time = 0; time < 20; time++) faults.take(B, WRONG);
    pass(FAULT_MS_MAX);
    expect(faults.isOut(B)).toBe(false);
    pass(FAULT_FORGOTTEN_MS + 1);
    faults.take(B, WRONG);
    pass(FAULT_MS_MIN);
    expect(faults.isOut(B)).toBe(false);
  });

  it("is told from one that was silent, and from one that was lost", () => {
    const { faults } = book();
    for (const error of [LOST, new MeshError("MESH_UNREACHABLE")]) faults.take(A, error);
    faults.take(B, WRONG);
    faults.take(C, SILENT);
    expect(faults.out()).toEqual([B, C]);
    expect(faults.out(true)).toEqual([B]);
  });

  const said = (reporterId: NodeId, reason: string) =>
    new MeshError("MESH_RING_BROKEN", { details: { reportedBy: "x", reporterId, reason } });

  it("as another one says is left out for a minute, however often that is said", () => {
    const { faults, pass } = book();
    for (const reason of ["left", "lost", "engine"]) faults.take(A, said(B, reason));
    expect(faults.out()).toEqual([]);
    for (let time = 0; time < 5; time++) {
      faults.take(A, said(B, "slow"));
      expect([faults.out(), faults.out(true)]).toEqual([[A], []]);
      pass(FAULT_MS_MIN);
      expect(faults.out()).toEqual([]);
    }
  });

  it("is more likely the one who accuses two others", () => {
    const { faults } = book();
    faults.take(A, said(C, "invalid"));
    faults.take(B, said(C, "invalid"));
    expect(faults.out(true)).toEqual([C]);
  });

  it("is one of so many that are remembered", () => {
    const { faults } = book();
    for (let at = 0; at < 2 * FAULTY_MEMBERS_MAX; at++) faults.take(`n${at}` as NodeId, WRONG);
    expect(faults.out()).toHaveLength(FAULTY_MEMBERS_MAX);
  });
});

describe("a member that does not join", () => {
  const all = [A, B, C];
  const missing = (blamed: unknown) =>
    new MeshError("MESH_RING_NOT_READY", { details: { blamed } });

  it("is out when the others say that it was the one who did not come", () => {
    expect(judgeRefusal(A, A, all, missing([C]))).toEqual({ nodeId: C, verdict: "out" });
    expect(judgeRefusal(B, A, all, missing([C]))).toEqual({ nodeId: C, verdict: "out" });
  });

  it("is out itself when it blames the leader, nobody of the plan, or makes things up", () => {
    for (const blamed of [[A], [B], ["x"], "c", [7], undefined]) {
      expect(judgeRefusal(B, A, all, missing(blamed))).toEqual({ nodeId: B, verdict: "out" });
    }
  });

  it("that leads is tried again, unless that cannot help", () => {
    expect(judgeRefusal(A, A, all, missing([])).verdict).toBe("again");
    const full = new MeshError("MESH_MODEL_MEMORY");
    expect(judgeRefusal(A, A, all, full)).toEqual({ nodeId: A, verdict: "final" });
    const leads = new MeshError("MESH_RING_NOT_READY", { details: { leader: "b" } });
    expect(judgeRefusal(B, A, all, leads)).toEqual({ nodeId: B, verdict: "final" });
  });
});
