/** The healer of a leading coordinator over a real coordinator, its walks, workers and layout. */
import type { CoordinatorView, LayoutNode, StorageReport } from "@hearthmesh/collective";
import { type ChunkId, silentLogger } from "@hearthmesh/core";
import { Healer, type Incident, type KnowledgeStore, type Symptom } from "@hearthmesh/healing";
import { afterEach, describe, expect, it } from "vitest";
import type { MemoryNode } from "../../../../collective/src/coordinator/testing/memory-node.js";
import { bytesOf, World } from "../../../../collective/src/coordinator/testing/world.js";
import { WHOLE_LAYOUT } from "./layout-monitor.js";
import type { LeadingMember } from "./leading-member.js";
import { leaderHealing } from "./member-healing.js";
import { rebalance } from "./rebalance.js";

const FILES = 40;
const LOST_MS = 120_000;
const SECOND = 1_000;
const MINUTE = 60_000;

const nothing: KnowledgeStore = {
  load: async () => ({ incidents: [], remedies: [], settings: undefined }),
  saveIncident: async () => undefined,
  saveRemedy: async () => undefined,
  saveSettings: async () => undefined,
};

let world: World;
let healer: Healer;
let member: LeadingMember;
let leads = true;
/** Nodes that said goodbye. */
const left = new Set<string>();
const noted: { action: string; node: string; detail: object }[] = [];

afterEach(async () => {
  await healer.stop();
  await world.stop();
});

function view(): CoordinatorView {
  const { coordinator } = world;
  return {
    nodes: coordinator.nodes(),
    layout: coordinator.layout(),
    status: coordinator.status(),
    operations: coordinator.operations(),
  };
}

async function home(nodes: number, replicas = 3): Promise<void> {
  leads = true;
  noted.splice(0);
  world = await World.start({
    nodes,
    replicas,
    intervals: { settleMs: 1_000, nodeLostMs: LOST_MS },
  });
  for (let at = 0; at < FILES; at++) await world.put(`/f${at}`, bytesOf(4000, at));
  member = {
    clock: world.clock,
    view: () => (leads ? view() : undefined),
    call: (method, header) => world.call(method, header),
    note: async (action, node, detail) => {
      noted.push({ action, node, detail });
    },
  };
  const { clock, random } = world;
  const self = { nodeId: "leader", name: "a" };
  healer = new Healer({
    ...{ self, mode: "acting", knowledge: nothing, clock, random, log: silentLogger },
  });
  left.clear();
  healer.add(leaderHealing(member, () => left));
  await healer.start();
  await world.clock.advance(5 * SECOND);
}

function node(index: number): MemoryNode {
  const found = world.nodes[index];
  if (found === undefined) throw new Error("the world is too small");
  return found;
}

async function tell(index: number, told: Partial<StorageReport>): Promise<void> {
  node(index).told = told;
  await node(index).sendReport();
}

const incidents = (): readonly Incident[] => healer.history({ limit: 100 });
const texts = ({ timeline }: Incident): string => timeline.map(({ text }) => text).join("\n");
const placed = (name: string): LayoutNode | undefined =>
  world.coordinator.layout().nodes.find((one) => one.name === name);
const copiesDone = (): number =>
  view().status.workers.find(({ name }) => name === "repair")?.done ?? 0;

/** Fewest copies that any chunk of a file has on nodes that are there. */
async function fewestCopies(): Promise<number> {
  const ids = (await world.rows("r/")).map((key) => key.slice(2, 66) as ChunkId);
  const here = world.nodes.filter(({ link }) => link?.isOpen === true);
  return Math.min(...ids.map((id) => here.filter(({ chunks }) => chunks.has(id)).length));
}

describe("a storage node that is away", () => {
  it("is waited for, counts as lost, and its copies are begun within 10 s", async () => {
    await home(4);
    await world.disconnect(node(3));
    await world.clock.advance(LOST_MS - 10 * SECOND);
    expect(incidents()).toEqual([]);
    expect(await fewestCopies()).toBe(2);
    const before = copiesDone();
    await world.clock.advance(20 * SECOND);
    expect(copiesDone()).toBeGreaterThan(before);
    expect(await fewestCopies()).toBe(3);
    const [incident, ...others] = incidents();
    expect(others).toEqual([]);
    expect(incident).toMatchObject({
      kind: "replicas-missing",
      state: "mended",
      subject: { id: node(3).nodeId, name: "what node-4 kept" },
      remedies: ["re-replicate"],
    });
    expect(texts(incident as Incident)).toMatch(/counts as lost/);
    expect(texts(incident as Incident)).toMatch(
      /woke the worker repair: [1-9]\d* chunks? done \(.*\) in/i,
    );
  });

  it("is unknown without a word, and not spoken of after a goodbye until it is lost", async () => {
    await home(4);
    await world.disconnect(node(3));
    await world.clock.advance(MINUTE / 2);
    const unseen = () =>
      healer.status().monitors.flatMap(({ name, verdict }) => (verdict === "well" ? [] : [name]));
    expect(unseen()).toEqual(["replicas", "corruption", "storage-disks"]);
    left.add(node(3).nodeId);
    await world.clock.advance(2 * SECOND);
    expect(unseen()).toEqual([]);
    expect(healer.status().verdict).toBe("well");
    await world.clock.advance(LOST_MS);
    expect(incidents().map(({ kind, state }) => `${kind} ${state}`)).toEqual([
      "replicas-missing mended",
    ]);
    expect(unseen()).toEqual([]);
  });

  it("is nothing to mend when it comes back in time", async () => {
    await home(4);
    await world.disconnect(node(3));
    await world.clock.advance(MINUTE);
    await world.connect(node(3));
    await world.clock.advance(LOST_MS);
    expect(incidents()).toEqual([]);
    expect(view().status.replication).toMatchObject({ underReplicated: 0 });
  });

  it("leaves too few nodes: the incident stays open and says what is needed", async () => {
    await home(3);
    await world.disconnect(node(2));
    await world.clock.advance(LOST_MS + 2 * MINUTE);
    const open = healer.status().open;
    expect(open).toHaveLength(1);
    expect(open[0]).toMatchObject({ kind: "replicas-missing" });
    const plans = await healer.plan(new AbortController().signal);
    expect(plans[0]?.candidates[0]?.blockedBy).toMatch(/3 copies need 3 storage nodes/);
    await world.addNode();
    await world.clock.advance(MINUTE);
    expect(healer.status().open).toEqual([]);
    expect(await fewestCopies()).toBe(3);
  });

  it("is left to the operator who paused the worker", async () => {
    await home(4);
    await world.call("worker.set", { name: "repair", paused: true });
    await world.disconnect(node(3));
    await world.clock.advance(LOST_MS + MINUTE);
    expect(await fewestCopies()).toBe(2);
    expect(healer.status().open).toHaveLength(1);
    const plans = await healer.plan(new AbortController().signal);
    expect(plans[0]?.candidates[0]?.blockedBy).toMatch(/an operator has paused it/);
    await world.call("worker.set", { name: "repair", paused: false });
    await world.clock.advance(2 * MINUTE);
    expect(await fewestCopies()).toBe(3);
  });

  it("is said nothing about while another coordinator leads", async () => {
    await home(4);
    leads = false;
    await world.disconnect(node(3));
    await tell(0, { corruptLastDay: 9 });
    await world.clock.advance(LOST_MS + MINUTE);
    expect(incidents()).toEqual([]);
  });
});

describe("a node that gives back damaged chunks", () => {
  it("is set aside with all copies kept, and believed again after a clean scrub", async () => {
    await home(4);
    await tell(3, { corruptLastDay: 3, corruptChunks: 3 });
    await world.clock.advance(10 * SECOND);
    expect(placed("node-4")).toMatchObject({ capacityBytes: 0, quarantined: { passes: 0 } });
    expect(node(3).passes).toBe(1);
    const [incident] = incidents();
    expect(incident).toMatchObject({
      kind: "node-corrupts",
      state: "mended",
      remedies: ["quarantine-node"],
    });
    expect(texts(incident as Incident)).toMatch(/by layout \d+ instead of \d+/);
    expect(noted).toMatchObject([
      {
        action: "healing.quarantine-node",
        node: node(3).nodeId,
        detail: { layoutBefore: 5, layoutAfter: 6 },
      },
    ]);
    await world.clock.advance(MINUTE);
    expect(node(3).chunks.size).toBe(0);
    expect(await fewestCopies()).toBe(3);
    // A day later, with a scrub that found nothing.
    const scrub = { passes: 1, verified: 30, damaged: 0 };
    await tell(3, { corruptLastDay: 0, corruptChunks: 3, scrub });
    await world.clock.advance(3 * MINUTE);
    expect(placed("node-4")?.quarantined).toBeUndefined();
    expect(noted.at(-1)).toMatchObject({ action: "healing.release-node" });
    expect(healer.status().open).toEqual([]);
  });

  it("stays in quarantine when its scrub found more", async () => {
    await home(4);
    const scrub = { passes: 1, verified: 30, damaged: 2 };
    await tell(3, { corruptLastDay: 5, corruptChunks: 5, scrub: { ...scrub, passes: 0 } });
    await world.clock.advance(10 * SECOND);
    await tell(3, { corruptLastDay: 0, corruptChunks: 7, scrub });
    await world.clock.advance(5 * MINUTE);
    expect(placed("node-4")?.quarantined).toBeDefined();
  });

  it("is not set aside again at once when a person has taken it back", async () => {
    await home(4);
    await tell(3, { corruptLastDay: 4 });
    await world.clock.advance(10 * SECOND);
    expect(placed("node-4")?.quarantined).toBeDefined();
    await world.call("layout.undrain", { node: "node-4" });
    await world.clock.advance(5 * MINUTE);
    expect(placed("node-4")).not.toHaveProperty("quarantined");
    // Three more are new.
    await tell(3, { corruptLastDay: 7 });
    await world.clock.advance(10 * SECOND);
    expect(placed("node-4")?.quarantined).toBeDefined();
  });

  it("is not set aside for two chunks, nor when copies would become fewer", async () => {
    await home(3);
    await tell(0, { corruptLastDay: 2 });
    await world.clock.advance(MINUTE);
    expect(incidents()).toEqual([]);
    await tell(0, { corruptLastDay: 3 });
    await world.clock.advance(MINUTE);
    expect(placed("node-1")?.quarantined).toBeUndefined();
    const plans = await healer.plan(new AbortController().signal);
    expect(plans[0]?.candidates[0]?.blockedBy).toMatch(/without node-1 2 nodes take chunks/);
    expect(await fewestCopies()).toBe(3);
  });
});

describe("a store that is filling", () => {
  const GIB = 2 ** 30;
  const used = (share: number) => {
    const usedBytes = Math.round(share * GIB);
    return { usedBytes, freeBytes: GIB - usedBytes };
  };

  it("gives chunks away, and has its share back when there is room with it", async () => {
    await home(5);
    const offered = placed("node-1")?.capacityBytes;
    const before = node(0).chunks.size;
    await tell(0, used(0.95));
    // The member's store writes to a real disk, which takes time of its own.
    for (let waited = 0; waited < 12 && !placed("node-1")?.easedFromBytes; waited++) {
      await world.clock.advance(5 * SECOND);
    }
    expect(placed("node-1")).toMatchObject({ easedFromBytes: offered });
    await world.clock.advance(MINUTE);
    expect(node(0).chunks.size).toBeLessThan(before);
    // With the whole share it would be filling again: that is why it has less.
    await tell(0, used(0.74));
    await world.clock.advance(10 * MINUTE);
    expect(placed("node-1")?.easedFromBytes).toBe(offered);
    const filling = incidents().find(({ kind }) => kind === "disk-filling");
    expect(filling).toMatchObject({ state: "mended", remedies: ["evacuate-disk"] });
    await tell(0, used(0.3));
    await world.clock.advance(3 * MINUTE);
    expect(placed("node-1")).toMatchObject({ capacityBytes: offered });
    expect(placed("node-1")?.easedFromBytes).toBeUndefined();
    await world.clock.advance(MINUTE);
    expect(await fewestCopies()).toBe(3);
  });

  it("is left as it is where others have no room", async () => {
    await home(5);
    for (const index of [0, 1, 2, 3, 4]) await tell(index, used(index === 0 ? 0.95 : 0.84));
    await world.clock.advance(MINUTE);
    const plans = await healer.plan(new AbortController().signal);
    const [plan] = plans.filter(({ symptom }) => symptom === "disk-filling");
    expect(plan?.candidates[0]?.blockedBy).toMatch(/the others have room for/);
    expect(placed("node-1")?.easedFromBytes).toBeUndefined();
  });

  it("does not come and go around its mark", async () => {
    await home(5);
    await tell(0, used(0.905));
    await world.clock.advance(10 * SECOND);
    for (let round = 0; round < 20; round++) {
      await tell(0, used(round % 2 === 0 ? 0.895 : 0.905));
      await world.clock.advance(10 * SECOND);
    }
    // A little below it is not well yet, however long that lasts.
    await tell(0, used(0.88));
    await world.clock.advance(2 * MINUTE);
    expect(incidents().filter(({ kind }) => kind === "disk-filling")).toHaveLength(1);
    expect(healer.status().open).toMatchObject([{ kind: "disk-filling" }]);
  });
});

describe("a layout that nobody follows", () => {
  it("is followed again when its worker was let go on", async () => {
    await home(4);
    await world.call("worker.set", { name: "rebalance", paused: true });
    await world.addNode();
    await world.clock.advance(5 * MINUTE);
    expect(healer.status().open).toMatchObject([{ kind: "layout-unbalanced" }]);
    await world.call("worker.set", { name: "rebalance", paused: false });
    await world.clock.advance(5 * MINUTE);
    expect(healer.status().open).toEqual([]);
    expect(node(4).chunks.size).toBeGreaterThan(0);
  });

  it("is followed by the remedy, which says how much was moved", async () => {
    await home(4);
    await world.addNode();
    const subject = { type: "layout", id: WHOLE_LAYOUT, name: "the member's data" } as const;
    const symptom: Symptom = {
      ...{ kind: "layout-unbalanced", subject, severity: "info", sinceMs: 0, evidence: [] },
      values: {},
    };
    const applied = rebalance(member).apply(symptom, new AbortController().signal);
    await world.clock.advance(10 * SECOND);
    expect((await applied).did).toMatch(/^woke the worker rebalance: [1-9]\d* chunks? done \(/);
  });
});

describe("a member that is well", () => {
  it("has no incident in ten minutes of writing, joining and moving", async () => {
    await home(4);
    for (let minute = 0; minute < 10; minute++) {
      await world.put(`/busy${minute}`, bytesOf(4000, 1000 + minute));
      if (minute === 3) await world.addNode();
      if (minute === 6) await world.call("layout.drain", { node: "node-2" });
      await world.clock.advance(MINUTE);
    }
    expect(incidents()).toEqual([]);
    expect(healer.status().verdict).toBe("well");
  });
});
