import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { ElectionWorld, WORLD_LEASE_MS } from "../testing/election-world.js";

vi.setConfig({ testTimeout: 120_000 });

const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const node = fc.nat(2);
const durationMs = fc.constantFrom(40, 200, 400, WORLD_LEASE_MS, 3 * WORLD_LEASE_MS);

type Command =
  | { type: "deliver" | "lose"; place: number }
  | { type: "advance"; durationMs: number; deliverAll: boolean }
  | { type: "act" }
  | { type: "stop" | "sleep" | "resume" | "restart"; node: number }
  | { type: "suspect"; node: number; dead: number }
  | { type: "setTimeOfDay"; node: number; differenceMs: number };

function commands(faults: readonly Command["type"][]) {
  const arbitraries: Record<Command["type"], [number, fc.Arbitrary<Command>]> = {
    deliver: [8, fc.record({ type: fc.constant("deliver"), place })],
    lose: [2, fc.record({ type: fc.constant("lose"), place })],
    advance: [
      6,
      fc.record({
        type: fc.constant("advance"),
        durationMs,
        deliverAll: fc.constantFrom(true, true, false),
      }),
    ],
    act: [8, fc.record({ type: fc.constant("act") })],
    stop: [2, fc.record({ type: fc.constant("stop"), node })],
    sleep: [2, fc.record({ type: fc.constant("sleep"), node })],
    resume: [4, fc.record({ type: fc.constant("resume"), node })],
    restart: [1, fc.record({ type: fc.constant("restart"), node })],
    suspect: [2, fc.record({ type: fc.constant("suspect"), node, dead: node })],
    setTimeOfDay: [
      1,
      fc.record({
        type: fc.constant("setTimeOfDay"),
        node,
        differenceMs: fc.constantFrom(-3_600_000, -500, 500, 3_600_000),
      }),
    ],
  };
  const chosen = Object.entries(arbitraries).filter(
    ([type]) => type === "advance" || type === "act" || faults.includes(type as Command["type"]),
  );
  return fc.array(fc.oneof(...chosen.map(([, [weight, arbitrary]]) => ({ weight, arbitrary }))), {
    minLength: 10,
    maxLength: 60,
  });
}

async function run(world: ElectionWorld, command: Command): Promise<void> {
  switch (command.type) {
    case "deliver":
    case "lose":
      return await world.deliver(command.place, command.type === "lose");
    case "act":
      for (const each of world.nodes) await world.act(each);
      return;
    case "advance":
      return await world.advance(command.durationMs, command.deliverAll);
  }
  const target = world.nodes[command.node]!;
  switch (command.type) {
    case "suspect":
      return await world.suspect(target, world.nodes[command.dead]!);
    case "restart":
      return await world.restart(target);
    case "stop":
      return target.clock.stop("stopped");
    case "sleep":
      return target.clock.stop("asleep");
    case "resume":
      return target.clock.resume();
    case "setTimeOfDay":
      return target.clock.setTimeOfDay(command.differenceMs);
  }
}

interface Totals {
  leaders: number;
  done: number;
  fenced: number;
  unknown: number;
}

async function holds(faults: readonly Command["type"][], mayOverlap: boolean): Promise<Totals> {
  const totals = { leaders: 0, done: 0, fenced: 0, unknown: 0 };
  const rates = fc.tuple(...[0, 1, 2].map(() => fc.constantFrom(0.8, 1, 1, 1.25)));
  const property = fc.asyncProperty(commands(faults), rates, fc.nat(), async (list, each, seed) => {
    const world = new ElectionWorld({ rates: each, seed, mayOverlap });
    try {
      await world.start();
      for (const command of list) await run(world, command);
      await world.mustRecover();
      totals.leaders += await world.mustBeFenced();
      for (const name of ["done", "fenced", "unknown"] as const) totals[name] += world.acts[name];
    } finally {
      await world.close();
    }
  });
  await fc.assert(property, { seed: 20_261_121, numRuns: 300, endOnFailure: false });
  return totals;
}

describe("an election against an adversary", () => {
  it("has one leader at any time while nobody is suspected falsely", async () => {
    const faults = ["deliver", "lose", "stop", "sleep", "resume", "restart"] as const;
    const totals = await holds(faults, false);
    expect(totals.leaders).toBeGreaterThan(300);
    expect(totals.done).toBeGreaterThan(300);
  });

  it("lets nobody but the leader of the epoch write, whatever happens", async () => {
    const all = [
      "deliver",
      "lose",
      "stop",
      "sleep",
      "resume",
      "restart",
      "suspect",
      "setTimeOfDay",
    ] as const;
    const totals = await holds(all, true);
    expect(totals.leaders).toBeGreaterThan(300);
    expect(totals.done).toBeGreaterThan(300);
    expect(totals.fenced).toBeGreaterThan(20);
  });
});
