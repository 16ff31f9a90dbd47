/** A daemon that is killed and started again and again has no more remedies than one that runs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { type Fact, healingLimits, type Remedy } from "@hearthmesh/healing";
import { afterEach, beforeEach, expect, it } from "vitest";
import { HealingPart } from "./healing-part.js";
import { KnowledgeFile } from "./knowledge-file.js";
import type { NodeKnowledge } from "./knowledge-records.js";

const SUBJECTS = 40;
let home: string;
let clock: ManualClock;
/** Names of subjects that a remedy was applied for, in all runs. */
let applied: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "hearthmesh-gates-"));
  clock = new ManualClock();
  applied = [];
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** It helps nobody, and takes as long as the daemon runs. */
const remedy: Remedy = {
  ...{ name: "redial", handles: ["peer-unreachable"], cost: 0.1, risk: 0.1 },
  verifyWithinMs: 60_000,
  rate: { count: 100, windowMs: 600_000 },
  describe: () => "dials it",
  blockedBy: () => undefined,
  apply: async ({ subject }) => {
    applied.push(subject.name);
    return { did: "dialled it" };
  },
};

function facts(): Fact[] {
  return Array.from({ length: SUBJECTS }, (_, at) => ({
    symptom: "peer-unreachable",
    subject: { type: "node", id: `n${at}`, name: `n${at}` },
    verdict: "ill",
    evidence: "nothing is heard of it",
  }));
}

function part(knowledge: NodeKnowledge, used = remedy): HealingPart {
  const made = new HealingPart({
    self: { nodeId: "self", name: "self" },
    mode: "acting",
    ...{ knowledge, clock, random: systemRandom(), log: silentLogger },
    report: { leader: async () => undefined, onOtherLeader: () => undefined },
  });
  made.add({ monitors: [{ name: "peers", look: async () => facts() }], remedies: [used] });
  return made;
}

async function until(holds: () => boolean): Promise<void> {
  await expect
    .poll(
      async () => {
        await clock.advance(100);
        return holds();
      },
      { timeout: 30_000, interval: 5 },
    )
    .toBe(true);
}

const spent = (one: HealingPart) => {
  const { left, of } = one.service.status().budget;
  return of - left;
};

it("keeps the budget over daemons that are killed", async () => {
  const most = healingLimits.BUDGET_COUNT - healingLimits.BUDGET_RESERVED;
  for (let run = 0; run < 4; run++) {
    const killed = part(new KnowledgeFile(join(home, "healing.json")));
    await killed.start();
    await until(() => spent(killed) === most && applied.length === most);
    await clock.advance(1_000);
    expect(applied).toHaveLength(most);
    // Before it is stopped: that would write it down.
    await expect
      .poll(async () => {
        const { gates } = await new KnowledgeFile(join(home, "healing.json")).load();
        return gates?.usesAtMs.length;
      })
      .toBe(most);
    await killed.stop();
  }
});

it("writes nothing before it has read what the last run kept", async () => {
  let written = 0;
  const never = part({
    load: () => new Promise(() => undefined),
    saveIncident: async () => undefined,
    saveRemedy: async () => undefined,
    saveSettings: async () => undefined,
    saveGates: async () => {
      written++;
    },
  });
  await never.start();
  // A store that does not answer holds remedies up for half a second.
  await until(() => applied.length > 0);
  await never.stop();
  expect(written).toBe(0);
});

it("writes nothing over what a store that fails has kept", async () => {
  const file = new KnowledgeFile(join(home, "healing.json"));
  const gates = { v: 1, usesAtMs: [clock.nowMs()], rates: [], subjects: [], remedies: [] } as const;
  await file.load();
  await file.saveGates(gates);
  let isBroken = true;
  let writtenUnread = 0;
  const failing = part({
    load: () => (isBroken ? Promise.reject(new Error("no disk")) : file.load()),
    saveIncident: (incident) => file.saveIncident(incident),
    saveRemedy: (record) => file.saveRemedy(record),
    saveSettings: (settings) => file.saveSettings(settings),
    saveGates: (record) => {
      if (isBroken) writtenUnread++;
      return file.saveGates(record);
    },
  });
  await failing.start();
  await until(() => applied.length > 0);
  isBroken = false;
  const keptMs = async () => {
    await clock.advance(500);
    return (await new KnowledgeFile(join(home, "healing.json")).load()).gates?.usesAtMs ?? [];
  };
  await expect.poll(async () => (await keptMs()).length).toBeGreaterThan(1);
  // The use of the last run counts beside those of this one.
  expect((await keptMs())[0]).toBe(gates.usesAtMs[0]);
  expect(writtenUnread).toBe(0);
  await failing.stop();
});

it("hands the healer the very remedies that it was given", async () => {
  class Eased implements Remedy {
    readonly name = "throttle-background";
    readonly handles = ["peer-unreachable"] as const;
    readonly cost = 0.1;
    readonly risk = 0.1;
    readonly verifyWithinMs = 1_000;
    readonly rate = { count: 100, windowMs: 600_000 };
    readonly eases = true;
    /** Of the object: a copy of its traits has none. */
    #done = 0;
    describe = () => `done ${this.#done} times`;
    blockedBy = () => undefined;
    async apply() {
      this.#done++;
      return { did: this.describe() };
    }
  }
  const eased = part(new KnowledgeFile(join(home, "healing.json")), new Eased());
  await eased.start();
  const steps = () =>
    eased.service
      .history({ limit: SUBJECTS })
      .flatMap(({ timeline }) => timeline.map(({ step }) => step));
  await until(() => steps().includes("applied"));
  // It makes it easier, and is not blamed when its time is over.
  await clock.advance(60_000);
  expect(steps()).not.toContain("not-helped");
  await eased.stop();
});
