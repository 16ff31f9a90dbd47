/** An hour of a mesh in which things break now and then, in a second of real time. */
import { afterEach, describe, expect, it } from "vitest";
import { CLOSED_STATES } from "./incident.js";
import { BUDGET_COUNT, BUDGET_WINDOW_MS } from "./limits.js";
import { AilingWorld, node, seededRandom } from "./testing/ailing-world.js";

const NODES = ["a", "b", "c", "d", "e"].map(node);
const HOUR_S = 3_600;

describe("an hour of healing", () => {
  let world: AilingWorld;
  afterEach(() => world.healer.stop());

  it("mends what breaks, stays within its budget, and learns which remedy works", async () => {
    world = new AilingWorld();
    const random = seededRandom(20);
    const handles = ["process-down"] as const;
    const rate = { count: 100, windowMs: 60_000 };
    // The cheap one works one time in ten, the dear one nine times in ten.
    const often = (share: number) => async (symptom: { subject: (typeof NODES)[number] }) => {
      if (random.float() < share) world.say("process-down", symptom.subject, "well");
      return { did: "started it" };
    };
    world.addRemedy({ name: "restart-process", handles, rate, cost: 0, apply: often(0.1) });
    world.addRemedy({ name: "reopen-store", handles, rate, cost: 0.4, apply: often(0.9) });
    for (const one of NODES) world.say("process-down", one, "well");
    world.healer.start();
    let broken = 0;
    for (let second = 0; second < HOUR_S; second++) {
      const victim = NODES[Math.floor(random.float() * NODES.length)];
      if (victim !== undefined && second < HOUR_S - 900 && random.float() < 0.02) {
        world.say("process-down", victim, "ill");
        broken++;
      }
      await world.clock.advance(1_000);
    }
    expect(broken).toBeGreaterThan(30);
    const incidents = world.incidents();
    expect(incidents.every(({ state }) => CLOSED_STATES.includes(state))).toBe(true);
    expect(incidents.filter(({ state }) => state === "mended").length).toBeGreaterThan(30);
    const times = world.uses.map(({ atMs }) => atMs);
    for (const from of times) {
      const within = times.filter((atMs) => atMs >= from && atMs < from + BUDGET_WINDOW_MS);
      expect(within.length).toBeLessThanOrEqual(BUDGET_COUNT);
    }
    // Once it is known, the one that works comes first.
    const firsts = incidents.slice(-10).map(({ remedies }) => remedies[0]);
    expect(firsts.filter((name) => name === "reopen-store").length).toBeGreaterThanOrEqual(9);
    const { phaseMs, cycles } = world.healer.counters();
    expect(cycles).toBeGreaterThanOrEqual(HOUR_S);
    expect(Object.values(phaseMs).every((ms) => ms >= 0)).toBe(true);
  });
});
