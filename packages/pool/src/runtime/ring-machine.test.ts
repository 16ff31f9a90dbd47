import { MeshError, type NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PLACE_ATTEMPTS_MAX } from "./limits.js";
import {
  IDLE,
  type RingEffect,
  type RingEvent,
  type RingLayout,
  type RingState,
  step,
} from "./ring-machine.js";

const A = "a" as NodeId;
const B = "b" as NodeId;
const C = "c" as NodeId;
const error = new MeshError("MESH_UNREACHABLE");

function layout(nodeIds: readonly NodeId[]): RingLayout {
  const each = Math.floor(8192 / nodeIds.length);
  return {
    placement: nodeIds.length === 1 ? "R" : "T",
    contextTokens: 512,
    members: nodeIds.map((nodeId, index) => ({
      ...{ nodeId, name: nodeId, memoryBytes: 1 },
      columns: { from: index * each, to: (index + 1) * each },
    })),
  };
}

class Ring {
  state: RingState = IDLE;
  effects: RingEffect[] = [];

  do(event: RingEvent): this {
    const next = step(this.state, event);
    this.state = next.state;
    this.effects = [...next.effects];
    return this;
  }

  kinds(): string[] {
    return this.effects.map(({ kind }) => kind);
  }

  load(nodeIds: readonly NodeId[], epoch: number): this {
    if (this.state.kind !== "placing") this.do({ kind: "wanted", isAtRest: true });
    this.do({ kind: "planned", layout: layout(nodeIds), epoch });
    for (const nodeId of nodeIds) this.do({ kind: "prepared", epoch, nodeId, endpoints: ["x:1"] });
    for (const nodeId of nodeIds) this.do({ kind: "joined", epoch, nodeId });
    return this;
  }

  fail(nodeId: NodeId, epoch: number, verdict: "out" | "again" | "final" = "out"): this {
    return this.do({ kind: "failed", epoch, nodeId, error, verdict });
  }
}

describe("a ring that is asked for a new plan", () => {
  it("does without who is away, and keeps what works when nothing better can be planned", () => {
    const ring = new Ring().load([A, B, C], 1).do({ kind: "asked-anew", away: [C] });
    expect(ring.effects).toEqual([{ kind: "place", without: [C], isFailover: true }]);
    ring.load([A, B], 2);
    expect(ring.state).toMatchObject({ kind: "ready", lost: [C], isStale: true });
    ring.do({ kind: "asked-anew", away: [] });
    expect(ring.effects).toEqual([{ kind: "place", without: [], isFailover: false }]);
    ring.do({ kind: "unplannable", error });
    expect(ring.effects).toEqual([]);
    expect(ring.state).toMatchObject({ kind: "ready", plan: { epoch: 2 }, isStale: false });
  });

  it("goes on with a plan that is on its way, unless it counts on who is away", () => {
    const ring = new Ring().do({ kind: "wanted", isAtRest: true });
    ring.do({ kind: "planned", layout: layout([A, B]), epoch: 1 });
    expect(ring.do({ kind: "asked-anew", away: [C] }).effects).toEqual([]);
    expect(ring.do({ kind: "asked-anew", away: [B] }).kinds()).toEqual(["place"]);
    expect(new Ring().do({ kind: "asked-anew", away: [B] }).state).toBe(IDLE);
  });
});

describe("a ring", () => {
  it("goes from a want to ready, and joins only when all are prepared", () => {
    const ring = new Ring().do({ kind: "wanted", isAtRest: true });
    expect(ring.effects).toEqual([{ kind: "place", without: [], isFailover: false }]);
    ring.do({ kind: "planned", layout: layout([A, B]), epoch: 4 });
    expect(ring.kinds()).toEqual(["prepare"]);
    expect(ring.do({ kind: "prepared", epoch: 4, nodeId: B, endpoints: ["b:1"] }).effects).toEqual(
      [],
    );
    ring.do({ kind: "prepared", epoch: 4, nodeId: A, endpoints: ["a:1"] });
    expect(ring.kinds()).toEqual(["join"]);
    ring.do({ kind: "joined", epoch: 4, nodeId: A });
    expect(ring.state.kind).toBe("joining");
    expect(ring.do({ kind: "joined", epoch: 4, nodeId: B }).kinds()).toEqual(["ready"]);
    expect(ring.do({ kind: "wanted", isAtRest: false }).effects).toEqual([]);
  });

  it("plans without a member that failed, in a higher epoch, and says so to nobody else", () => {
    const ring = new Ring().load([A, B, C], 1).fail(B, 1);
    expect(ring.effects).toEqual([{ kind: "place", without: [B], isFailover: true }]);
    ring.do({ kind: "planned", layout: layout([A, C]), epoch: 2 });
    expect(ring.effects[0]).toEqual({ kind: "release", epoch: 1, nodeIds: [B] });
    expect(ring.load([A, C], 2).fail(C, 2).effects).toEqual([
      { kind: "place", without: [B, C], isFailover: true },
    ]);
  });

  it("takes no notice of what is said about another epoch, or by a stranger", () => {
    const ring = new Ring().load([A, B], 7);
    const { state } = ring;
    for (const event of [
      { kind: "failed", epoch: 6, nodeId: B, error, verdict: "out" },
      { kind: "failed", epoch: 7, nodeId: C, error, verdict: "out" },
      { kind: "joined", epoch: 6, nodeId: B },
      { kind: "planned", layout: layout([A]), epoch: 9 },
    ] as const) {
      expect(ring.do(event).state).toBe(state);
    }
  });

  it("is planned anew at rest when others are there, and keeps the same plan as it is", () => {
    const ring = new Ring().load([A], 1).do({ kind: "changed" });
    expect(ring.do({ kind: "wanted", isAtRest: false }).effects).toEqual([]);
    ring.do({ kind: "wanted", isAtRest: true });
    expect(ring.effects).toEqual([{ kind: "place", without: [], isFailover: false }]);
    ring.do({ kind: "planned", layout: layout([A]), epoch: 2 });
    expect(ring.state).toMatchObject({ kind: "ready", plan: { epoch: 1 }, isStale: false });
    ring.do({ kind: "changed" }).do({ kind: "wanted", isAtRest: true });
    expect(ring.load([A, B], 3).state).toMatchObject({ kind: "ready", plan: { epoch: 3 } });
  });

  it("breaks when nothing can be planned, releases all, and tries again at the next want", () => {
    const ring = new Ring().load([A, B], 1).fail(B, 1).do({ kind: "unplannable", error });
    expect(ring.effects).toEqual([
      { kind: "release", epoch: 1, nodeIds: [A, B] },
      { kind: "broken", error },
    ]);
    expect(ring.do({ kind: "wanted", isAtRest: true }).effects).toEqual([
      { kind: "place", without: [], isFailover: false },
    ]);
  });

  it("gives up after some attempts, and at once when another plan cannot help", () => {
    const ring = new Ring().load([A], 1);
    for (let epoch = 1; ring.state.kind !== "broken"; epoch++) {
      expect(epoch).toBeLessThanOrEqual(PLACE_ATTEMPTS_MAX + 1);
      ring.fail(A, epoch, "again");
      if (ring.state.kind !== "placing") break;
      ring.do({ kind: "planned", layout: layout([A]), epoch: epoch + 1 });
    }
    expect(ring.state.kind).toBe("broken");
    expect(new Ring().load([A, B], 1).fail(B, 1, "final").state.kind).toBe("broken");
  });
});

describe("any order of events", () => {
  const node = fc.constantFrom(A, B, C);
  const event: fc.Arbitrary<RingEvent> = fc.oneof(
    fc.record({ kind: fc.constant("wanted" as const), isAtRest: fc.boolean() }),
    fc.record({
      kind: fc.constant("planned" as const),
      layout: fc.constantFrom(layout([A]), layout([A, B]), layout([A, B, C])),
      epoch: fc.constant(0),
    }),
    fc.constant({ kind: "unplannable" as const, error }),
    fc.record({
      kind: fc.constant("prepared" as const),
      epoch: fc.integer({ min: 1, max: 6 }),
      nodeId: node,
      endpoints: fc.constant(["x:1"]),
    }),
    fc.record({
      kind: fc.constant("joined" as const),
      epoch: fc.integer({ min: 1, max: 6 }),
      nodeId: node,
    }),
    fc.record({
      kind: fc.constant("failed" as const),
      epoch: fc.integer({ min: 1, max: 6 }),
      nodeId: node,
      error: fc.constant(error),
      verdict: fc.constantFrom("out", "again", "final"),
    }),
    fc.constant({ kind: "changed" as const }),
    fc.record({ kind: fc.constant("asked-anew" as const), away: fc.subarray([A, B, C]) }),
    fc.record({ kind: fc.constant("unplannable" as const), error: fc.constant(error) }),
    fc.constant({ kind: "released" as const }),
  );

  it("keeps the invariants", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let state: RingState = IDLE;
        let epoch = 0;
        const loaded = new Map<number, Set<NodeId>>();
        for (const given of events) {
          const sent = given.kind === "planned" ? { ...given, epoch: ++epoch } : given;
          const before: RingState = state;
          const next = step(before, sent);
          state = next.state;
          for (const effect of next.effects) {
            if (effect.kind === "prepare") {
              expect(effect.plan.epoch).toBe(epoch);
              loaded.set(effect.plan.epoch, new Set(effect.plan.members.map((m) => m.nodeId)));
            }
            if (effect.kind === "join") {
              expect([...effect.endpoints.keys()].sort()).toEqual(
                effect.plan.members.map(({ nodeId }) => nodeId).sort(),
              );
            }
            if (effect.kind === "ready") expect(before.kind).toBe("joining");
            if (effect.kind === "release") {
              for (const nodeId of effect.nodeIds) {
                expect(loaded.get(effect.epoch)?.has(nodeId)).toBe(true);
              }
            }
          }
          if (state.kind === "placing" && before.kind !== "placing") {
            expect(next.effects.map(({ kind }) => kind)).toEqual(["place"]);
            if (sent.kind === "failed" && sent.verdict === "out" && "lost" in before) {
              expect(state.lost).toEqual([...before.lost, sent.nodeId]);
            }
          }
          if (state.kind === "broken" && before.kind !== "broken") {
            expect(next.effects.at(-1)?.kind).toBe("broken");
          }
        }
      }),
      { numRuns: 400 },
    );
  });
});
