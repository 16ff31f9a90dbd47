import { afterEach, describe, expect, it } from "vitest";
import type { Incident } from "./incident.js";
import { AilingWorld, node } from "./testing/ailing-world.js";

const B = node("b");

describe("Healer", () => {
  let world: AilingWorld;
  afterEach(() => world.healer.stop());

  const steps = (incident: Incident | undefined) => incident?.timeline.map(({ step }) => step);
  const only = () => {
    const incidents = world.incidents();
    expect(incidents).toHaveLength(1);
    return incidents[0];
  };

  it("mends a symptom, and tells how", async () => {
    world = new AilingWorld();
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    const incident = only();
    expect(incident?.state).toBe("mended");
    expect(steps(incident)).toEqual([
      ...["seen", "detected", "decided", "applied", "verified", "closed"],
    ]);
    expect(incident?.timings.verifiedMs).toBeLessThan(1_000);
    expect(world.healer.status()).toMatchObject({ verdict: "well", open: [] });
    expect(world.knowledge.incidents.get(incident?.id ?? "")).toEqual(incident);
    expect(world.knowledge.remedies.get("peer-unreachable redial")).toMatchObject({ helped: 1 });
    expect(world.healer.counters().recoveries).toHaveLength(1);
  });

  it("is well while all that is open is a note", async () => {
    world = new AilingWorld();
    world.say("node-left", B, "ill");
    world.healer.start();
    await world.clock.advance(60_000);
    const { verdict, open, monitors } = world.healer.status();
    expect([verdict, open.length, monitors[0]?.verdict]).toEqual(["well", 1, "well"]);
  });

  it("does nothing when nothing is wrong", async () => {
    world = new AilingWorld();
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "well");
    world.healer.start();
    await world.clock.advance(600_000);
    expect(world.uses).toEqual([]);
    expect(world.incidents()).toEqual([]);
    expect(world.healer.counters().cycles).toBe(600);
  });

  it("tries the next best when one does not help, and gives up after the last", async () => {
    world = new AilingWorld();
    const nothing = async () => ({ did: "nothing much" });
    const handles = ["peer-unreachable"] as const;
    world.addRemedy({ name: "re-route", handles, cost: 0.9, apply: nothing });
    world.addRemedy({ name: "redial", handles, apply: nothing });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(15_000);
    expect(world.uses.map(({ remedy }) => remedy)).toEqual(["redial", "re-route"]);
    expect(only()?.state).toBe("given-up");
    expect(only()?.timeline.at(-1)?.text).toContain("Tried without success: redial, re-route.");
    await world.clock.advance(70_000);
    expect(world.uses).toHaveLength(4);
    world.say("peer-unreachable", B, "well");
    await world.clock.advance(1_000);
    expect(["passed", "mended"]).toContain(only()?.state);
  });

  it("gives no credit to a remedy that changed nothing", async () => {
    world = new AilingWorld();
    const nothing = async () => ({ did: "dialled b: nobody listens", changedNothing: true });
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"], apply: nothing });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(1_500);
    expect(only()?.state).toBe("verifying");
    world.say("peer-unreachable", B, "well");
    await world.clock.advance(1_500);
    expect(only()?.state).toBe("passed");
    expect(only()?.timeline.at(-1)?.text).toMatch(/^Gone by itself after .* redial had changed/);
    expect(world.knowledge.remedies.size).toBe(0);
    expect(world.healer.counters().recoveries).toHaveLength(0);
  });
});
