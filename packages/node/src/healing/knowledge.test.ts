/** What healers remember: in a file, and in the member's store. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@hearthmesh/core/testing";
import {
  type GatesRecord,
  healingLimits,
  type Incident,
  type RemedyRecord,
} from "@hearthmesh/healing";
import { memoryStore, type Store } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KnowledgeFile } from "./knowledge-file.js";
import { MemberKnowledge } from "./knowledge-store.js";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "hearthmesh-healing-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const SETTINGS = { v: 1, configured: "acting", dryRun: true } as const;
const GATES: GatesRecord = {
  v: 1,
  usesAtMs: [1_000, 2_000],
  rates: [
    { remedy: "redial", subject: { type: "node", id: "b", name: "b" }, atMs: [2_000], windowMs: 9 },
  ],
  subjects: [],
  remedies: [{ remedy: "redial", failedFor: [], openedAtMs: 3_000 }],
};
const RECORD: RemedyRecord = {
  ...{ v: 1, symptom: "peer-unreachable", remedy: "redial" },
  ...{ helped: 2, failed: 1, tookMs: 40 },
} as const;

/** The first time whose id has nine digits. */
const BEGIN_MS = 2_821_109_907_456;

function incident(number: number, nodeId = "self"): Incident {
  return {
    v: 1,
    id: `${(BEGIN_MS + number).toString(36)}-aaaaaaaa`,
    ...{ nodeId, nodeName: nodeId },
    kind: "peer-unreachable",
    subject: { type: "node", id: "b", name: "b" },
    severity: "warning",
    state: "open",
    openedAtMs: BEGIN_MS + number,
    timeline: [{ atMs: BEGIN_MS + number, afterMs: 0, step: "seen", text: "nothing was heard" }],
    timings: {},
    remedies: [],
    dryRun: false,
  };
}

describe("in a file", () => {
  const path = () => join(home, "healing.json");

  it("comes back after a restart", async () => {
    const before = new KnowledgeFile(path());
    await before.load();
    await Promise.all([
      before.saveIncident(incident(1)),
      before.saveIncident({ ...incident(1), state: "passed" }),
      before.saveRemedy(RECORD),
      before.saveSettings(SETTINGS),
      before.saveGates(GATES),
    ]);
    expect(await new KnowledgeFile(path()).load()).toEqual({
      incidents: [{ ...incident(1), state: "passed" }],
      remedies: [RECORD],
      settings: SETTINGS,
      gates: GATES,
    });
  });

  it("is not written anew before it was read", async () => {
    const before = new KnowledgeFile(path());
    await before.saveIncident(incident(1));
    const after = new KnowledgeFile(path());
    const [read] = await Promise.all([after.load(), after.saveIncident(incident(2))]);
    expect(read.incidents).toContainEqual(incident(1));
    const { incidents } = await new KnowledgeFile(path()).load();
    expect(incidents.map(({ id }) => id).sort()).toEqual([incident(1).id, incident(2).id]);
  });

  it("is as good as none when it is damaged, of a newer form, or something else", async () => {
    const nothing = { incidents: [], remedies: [], settings: undefined };
    for (const text of ["", "{", "null", '{"v":2,"incidents":[]}', '{"v":1}']) {
      await writeFile(path(), text);
      expect(await new KnowledgeFile(path()).load()).toEqual(nothing);
    }
    const incidents = [{ ...incident(1), timeline: "none" }, incident(2)];
    const gates = { ...GATES, usesAtMs: ["now"] };
    await writeFile(path(), JSON.stringify({ v: 1, incidents, remedies: [], gates }));
    const read = await new KnowledgeFile(path()).load();
    expect(read.incidents).toEqual([incident(2)]);
    expect(read).not.toHaveProperty("gates");
  });

  it("keeps a bounded number, the newest", async () => {
    const file = new KnowledgeFile(path());
    const count = healingLimits.INCIDENTS_KEPT_MAX + 5;
    const all = Array.from({ length: count }, (_, number) => incident(number));
    await Promise.all(all.map((one) => file.saveIncident(one)));
    const kept = JSON.parse(await readFile(path(), "utf8")).incidents as Incident[];
    expect(kept.map(({ id }) => id)).toEqual(all.slice(5).map(({ id }) => id));
  });

  it("says when it cannot be written, and can be later", async () => {
    const missing = join(home, "file");
    await writeFile(missing, "");
    const file = new KnowledgeFile(join(missing, "healing.json"));
    await expect(file.saveSettings(SETTINGS)).rejects.toThrow();
    await rm(missing);
    await file.saveSettings(SETTINGS);
    expect((await new KnowledgeFile(join(missing, "healing.json")).load()).settings).toEqual(
      SETTINGS,
    );
  });
});

describe("in the member's store", () => {
  let store: Store;
  beforeEach(() => {
    store = memoryStore({ clock: new ManualClock() });
  });
  afterEach(() => store.close());

  function knowledge(nodeId: string, role: "leader" | "follower") {
    const leader = undefined;
    return new MemberKnowledge({
      ...{ store, nodeId },
      leadership: { state: { role, epoch: 1, leader } as never, fence: (given) => given },
    });
  }

  it("is not filled by others, however many they are", async () => {
    const share = healingLimits.INCIDENTS_OF_OTHERS_MAX;
    const leader = knowledge("one", "leader");
    for (let number = 0; number < 10; number++) await leader.saveIncident(incident(number, "two"));
    for (let number = 10; number < 30; number++) await leader.saveIncident(incident(number, "one"));
    const again = knowledge("one", "leader");
    await again.load();
    for (let number = 30; number < 2 * share; number++) {
      await again.saveIncident(incident(number, `noisy-${number % 5}`));
    }
    const { incidents } = await again.load();
    const count = (of: string) => incidents.filter(({ nodeId }) => nodeId === of).length;
    expect([count("one"), count("two")]).toEqual([20, 10]);
    expect(incidents.length).toBeLessThan(20 + share + 64);
    expect(incidents[0]).toEqual(incident(2 * share - 1, incidents[0]?.nodeId));
  });

  it("comes back, with the incidents of all nodes and what this one learnt", async () => {
    const one = knowledge("one", "leader");
    const two = knowledge("two", "follower");
    await one.saveIncident(incident(1, "one"));
    await two.saveIncident(incident(2, "two"));
    await one.saveRemedy(RECORD);
    await one.saveSettings(SETTINGS);
    await one.saveGates(GATES);
    const incidents = [incident(2, "two"), incident(1, "one")];
    expect(await knowledge("one", "leader").load()).toEqual({
      ...{ incidents, remedies: [RECORD], settings: SETTINGS, gates: GATES },
    });
    expect(await two.load()).toEqual({ incidents, remedies: [], settings: undefined });
  });

  it("takes incidents of others from the one that leads alone", async () => {
    await knowledge("two", "follower").saveIncident(incident(1, "storage"));
    expect((await knowledge("one", "leader").load()).incidents).toEqual([]);
    await knowledge("one", "leader").saveIncident(incident(1, "storage"));
    expect((await knowledge("two", "follower").load()).incidents).toHaveLength(1);
  });

  it("has no incident written over by another node that took its id", async () => {
    await knowledge("two", "follower").saveIncident(incident(1, "two"));
    await knowledge("one", "leader").saveIncident(incident(2, "storage"));
    // One that begins to lead has read nothing yet.
    const leader = knowledge("one", "leader");
    for (const number of [1, 2, 3]) await leader.saveIncident(incident(number, "hostile"));
    await leader.saveIncident({ ...incident(2, "storage"), state: "passed" });
    const { incidents } = await leader.load();
    expect(incidents.map(({ nodeId, state }) => `${nodeId} ${state}`)).toEqual([
      ...["hostile open", "storage passed", "two open"],
    ]);
  });

  it("passes over what it cannot read", async () => {
    const value = Buffer.from("{");
    await store.transact({ success: [{ type: "put", key: "healing/incident/x", value }] });
    await store.transact({ success: [{ type: "put", key: "healing/settings/one", value }] });
    const one = knowledge("one", "leader");
    await one.saveIncident(incident(1, "one"));
    expect((await one.load()).incidents).toHaveLength(1);
    expect((await one.load()).settings).toBeUndefined();
  });

  it("keeps a bounded number, which the one that leads sees to", async () => {
    const { INCIDENTS_KEPT_MAX } = healingLimits;
    const two = knowledge("two", "follower");
    for (let number = 0; number < INCIDENTS_KEPT_MAX + 150; number++) {
      await two.saveIncident(incident(number, "two"));
    }
    const count = async () => (await store.range({ prefix: "healing/incident/" })).entries.length;
    expect(await count()).toBe(INCIDENTS_KEPT_MAX + 150);
    await knowledge("one", "leader").saveIncident(incident(9_999, "one"));
    expect(await count()).toBe(INCIDENTS_KEPT_MAX);
    const { incidents } = await two.load();
    expect(incidents).toHaveLength(INCIDENTS_KEPT_MAX);
    expect(incidents[0]?.openedAtMs).toBe(BEGIN_MS + 9_999);
  });
});
