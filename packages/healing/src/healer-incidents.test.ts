/** Incidents over time: causes, pauses, restarts, rollbacks, other nodes. */
import { afterEach, describe, expect, it } from "vitest";
import type { Incident } from "./incident.js";
import { BREAKER_FAILURES, BUDGET_COUNT, TAKE_OVER_MS } from "./limits.js";
import { AilingWorld, node } from "./testing/ailing-world.js";

const B = node("b");
const MESH = { type: "mesh", id: "mesh", name: "the mesh" } as const;
const nothing = async () => ({ did: "nothing much" });

describe("incidents", () => {
  let world: AilingWorld;
  afterEach(() => world.healer.stop());

  const restarted = () => new AilingWorld({ clock: world.clock, knowledge: world.knowledge });
  const lastStep = (incident: Incident | undefined) => incident?.timeline.at(-1)?.step;

  it("of one cause are mended at the cause alone", async () => {
    world = new AilingWorld();
    const peers = Array.from({ length: 12 }, (_, index) => node(`peer-${index}`));
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.addRemedy({
      name: "rejoin",
      handles: ["partition"],
      apply: async () => {
        world.say("partition", MESH, "well");
        for (const peer of peers) world.say("peer-unreachable", peer, "well");
        return { did: "joined again" };
      },
    });
    for (const peer of peers) world.say("peer-unreachable", peer, "ill");
    world.say("partition", MESH, "ill");
    world.healer.start();
    await world.clock.advance(10_000);
    expect(world.uses.map(({ remedy }) => remedy)).toEqual(["rejoin"]);
    const incidents = world.incidents();
    const cause = incidents.find(({ kind }) => kind === "partition");
    expect(cause?.state).toBe("mended");
    const others = incidents.filter(({ kind }) => kind !== "partition");
    expect(others).toHaveLength(12);
    for (const { state, timeline } of others) {
      expect(state).toBe("passed");
      const text = timeline.find(({ step }) => step === "blocked")?.text;
      expect(text).toContain(cause?.id);
    }
  });

  it("leave what is drastic alone while half of the mesh is away", async () => {
    world = new AilingWorld();
    world.addRemedy({ name: "quarantine-node", handles: ["node-corrupts"] });
    world.say("partition", MESH, "ill");
    world.say("node-corrupts", B, "ill");
    world.healer.start();
    await world.clock.advance(30_000);
    expect(world.uses).toEqual([]);
    world.say("partition", MESH, "well");
    await world.clock.advance(5_000);
    expect(world.uses.map(({ remedy }) => remedy)).toEqual(["quarantine-node"]);
  });

  it("wait while healing is paused, also after a restart, and go on afterwards", async () => {
    world = new AilingWorld();
    world.healer.pause(100_000, "alice");
    world.healer.start();
    await world.clock.advance(1_000);
    await world.healer.stop();
    world = restarted();
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(60_000);
    expect(world.healer.status().mode).toBe("paused");
    expect(lastStep(world.incidents()[0])).toBe("blocked");
    await world.clock.advance(45_000);
    expect(world.healer.status()).toMatchObject({ mode: "acting", open: [] });
    expect(world.uses).toHaveLength(1);
  });

  it("are decided by the configuration again when that has changed since", async () => {
    world = new AilingWorld();
    world.healer.setDryRun(true, "alice");
    world.healer.start();
    await world.clock.advance(1_000);
    await world.healer.stop();
    const { clock, knowledge } = world;
    world = new AilingWorld({ clock, knowledge, mode: "acting" });
    world.healer.start();
    await clock.advance(1_000);
    expect(world.healer.status().mode).toBe("dry-run");
    await world.healer.stop();
    world = new AilingWorld({ clock, knowledge, mode: "dry-run" });
    world.healer.setDryRun(false, "alice");
    world.healer.start();
    await clock.advance(1_000);
    await world.healer.stop();
    world = new AilingWorld({ clock, knowledge, mode: "acting" });
    world.healer.start();
    await clock.advance(1_000);
    expect(world.healer.status().mode).toBe("acting");
  });

  it("of before a restart are taken over when they are seen again", async () => {
    world = new AilingWorld();
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(3_000);
    const [before] = world.incidents();
    await world.healer.stop();
    world = restarted();
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(3_000);
    const incidents = world.incidents();
    expect(incidents).toHaveLength(1);
    expect(incidents[0]).toMatchObject({ id: before?.id, state: "mended" });
    expect(incidents[0]?.timeline.some(({ text }) => text.includes("started again"))).toBe(true);
    expect(incidents[0]?.timings.verifiedMs).toBeGreaterThan(3_000);
  });

  it("of before a restart end when they are not seen again", async () => {
    world = new AilingWorld();
    world.say("peer-unreachable", B, "ill");
    world.say("process-down", B, "ill");
    world.healer.start();
    await world.clock.advance(3_000);
    await world.healer.stop();
    world = restarted();
    // One is seen to be well, of the other nobody speaks.
    world.say("peer-unreachable", B, "well");
    world.healer.start();
    await world.clock.advance(2_000);
    const states = () => world.incidents().map(({ kind, state }) => `${kind} ${state}`);
    expect(states()).toContain("peer-unreachable ended");
    expect(states()).not.toContain("process-down ended");
    await world.clock.advance(TAKE_OVER_MS);
    expect(states()).toContain("process-down ended");
    expect(world.incidents()[0]?.timeline.at(-1)?.text).toContain("started again");
  });

  it("have what was done for their time taken back at the end", async () => {
    world = new AilingWorld();
    const handles = ["load-high"] as const;
    world.addRemedy({
      name: "throttle-background",
      handles,
      rollbackWhen: "ended",
      apply: nothing,
    });
    world.say("load-high", B, "ill");
    world.healer.start();
    await world.clock.advance(12_000);
    expect(world.uses).toHaveLength(1);
    world.say("load-high", B, "well");
    await world.clock.advance(35_000);
    const [incident] = world.incidents();
    expect(incident?.timeline.map(({ step }) => step).slice(-3)).toEqual([
      ...["verified", "rolled-back", "closed"],
    ]);
    expect(world.takenBack).toHaveLength(1);
  });

  it("have it taken back too when the daemon was started again in between", async () => {
    world = new AilingWorld();
    const handles = ["load-high"] as const;
    const throttle = { name: "throttle-background", handles, rollbackWhen: "ended" } as const;
    world.addRemedy({ ...throttle, apply: nothing, verifyWithinMs: 600_000 });
    world.say("load-high", B, "ill");
    world.healer.start();
    await world.clock.advance(15_000);
    await world.healer.stop();
    world = restarted();
    world.addRemedy({ ...throttle, apply: nothing });
    world.healer.start();
    await world.clock.advance(TAKE_OVER_MS + 2_000);
    expect(world.takenBack).toHaveLength(1);
    expect(world.incidents()[0]?.state).toBe("ended");
  });

  it("end when nobody speaks of their subject any longer", async () => {
    world = new AilingWorld();
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    world.forget("peer-unreachable", B);
    await world.clock.advance(2_000);
    expect(world.incidents()[0]?.state).toBe("ended");
  });

  it("of other nodes are kept and shown, and are not this node's to mend", async () => {
    world = new AilingWorld();
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    const [own] = world.incidents();
    if (own === undefined) throw new Error("no incident");
    const other = { ...own, id: "zzzzzzzz-aaaaaaaa", nodeId: "other", nodeName: "other" };
    world.healer.told(other);
    // Nobody speaks for this node, nor takes an id that is another's.
    world.healer.told({ ...own, state: "ended" });
    world.healer.told({ ...own, nodeId: "other" });
    expect(world.healer.incident(other.id)).toEqual(other);
    expect(world.healer.incident(own.id)).toEqual(own);
    expect(world.healer.status().open.map(({ id }) => id)).toEqual([own.id]);
    expect(() => world.healer.incident("nothing")).toThrow(/no incident/);
  });

  it("of other nodes are read again when this node begins to lead", async () => {
    world = new AilingWorld();
    world.say("peer-unreachable", B, "ill");
    world.healer.start();
    await world.clock.advance(2_000);
    const [own] = world.incidents();
    const [seen] = own?.timeline ?? [];
    if (own === undefined || seen === undefined) throw new Error("no incident");
    const other = { ...own, id: "zzzzzzzz-aaaaaaaa", nodeId: "other" };
    world.healer.told(other);
    // What the one that led before wrote: it heard the end, and this one did not. Its clock was
    // behind: what is newer is known by what was added.
    const end = { ...seen, atMs: seen.atMs - 60_000, step: "closed" as const };
    const ended = { ...other, state: "passed" as const, timeline: [...other.timeline, end] };
    world.knowledge.incidents.set(other.id, ended);
    world.knowledge.incidents.set(own.id, { ...own, state: "passed", timeline: [seen, end] });
    await world.healer.recall();
    expect(world.healer.incident(other.id)).toEqual(ended);
    expect(world.healer.incident(own.id)).toEqual(own);
    // Told before it was read whose the id is: it goes back to its node.
    const third = { ...ended, id: "zzzzzzzz-bbbbbbbb" };
    world.healer.told({ ...third, nodeId: "hostile" });
    world.knowledge.incidents.set(third.id, third);
    await world.healer.recall();
    expect(world.healer.incident(third.id)).toEqual(third);
    expect(world.healer.status().open).toHaveLength(1);
  });

  it("stay within the budget, of which a part is kept for what is critical", async () => {
    world = new AilingWorld();
    const subjects = Array.from({ length: 60 }, (_, index) => node(`${index}`));
    world.addRemedy({ name: "redial", handles: ["peer-unreachable"] });
    world.addRemedy({ name: "restart-process", handles: ["process-down"] });
    for (const subject of subjects) world.say("peer-unreachable", subject, "ill");
    world.healer.start();
    await world.clock.advance(60_000);
    expect(world.uses.length).toBe(20);
    for (const subject of subjects) world.say("process-down", subject, "ill");
    await world.clock.advance(60_000);
    expect(world.uses.length).toBe(BUDGET_COUNT);
    expect(world.uses.slice(20).every(({ remedy }) => remedy === "restart-process")).toBe(true);
  });

  it("rest a remedy that fails again and again, and learn which one is better", async () => {
    world = new AilingWorld();
    const handles = ["process-down"] as const;
    const fails = () => Promise.reject(new Error("it does not start"));
    world.addRemedy({ name: "restart-process", handles, cost: 0, apply: fails });
    world.addRemedy({ name: "reopen-store", handles, cost: 0.5 });
    for (let round = 0; round < 5; round++) {
      world.say("process-down", node(`${round}`), "ill");
      if (round === 0) world.healer.start();
      await world.clock.advance(5_000);
    }
    const used = world.uses.map(({ remedy }) => remedy);
    expect(used.filter((name) => name === "reopen-store")).toHaveLength(5);
    expect(used.filter((name) => name === "restart-process").length).toBeLessThanOrEqual(
      BREAKER_FAILURES,
    );
    expect(used.at(-1)).toBe("reopen-store");
  });
});
