/** The store, its members, who leads, and rings: what is seen of them and done about it. */
import { silentLogger, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import type { Fact, Symptom, SymptomKind } from "@hearthmesh/healing";
import { memoryStore } from "@hearthmesh/store";
import { afterEach, describe, expect, it } from "vitest";
import { ElectedLeadership } from "../../coordinators/member-leadership.js";
import { MEMBER_LOST_MS } from "../../etcd/limits.js";
import type { StoreMemberView, SupervisorStatus } from "../../etcd/supervisor-status.js";
import { probeStore } from "../../store-probe.js";
import { leaderFacts, notLeadingFacts, RecentMost } from "./leader-monitor.js";
import type { LeadingMember } from "./leading-member.js";
import { reopenStore } from "./reopen-store.js";
import { replaceStoreMember } from "./replace-store-member.js";
import { stepDown } from "./step-down.js";
import { StoreMembersMonitor, storeMemberFacts } from "./store-members-monitor.js";
import { StoreProbeMonitor } from "./store-probe-monitor.js";

const signal = new AbortController().signal;
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

function symptomOf(kind: SymptomKind, fact: Pick<Fact, "subject" | "values">): Symptom {
  const { subject, values = {} } = fact;
  return { kind, subject, severity: "warning", sinceMs: 0, evidence: [], values };
}

/** As the leading coordinator has it; what it does is written down. */
function leading(clock: ManualClock, isLeading = () => true) {
  const notes: string[] = [];
  const view = {} as ReturnType<LeadingMember["view"]>;
  const member: LeadingMember = {
    clock,
    view: () => (isLeading() ? view : undefined),
    call: async () => ({}),
    note: async (action) => {
      notes.push(action);
    },
  };
  return { member, notes };
}

describe("the probe of the store", () => {
  function probing(probe: () => Promise<void>) {
    const clock = new ManualClock();
    const monitor = new StoreProbeMonitor({ clock, probe });
    const look = async () => {
      const facts = monitor.look();
      for (let at = 0; at < 5; at++) await turn();
      return facts;
    };
    return { clock, monitor, look };
  }

  it("sets a key of a real store and reads it back, every few seconds", async () => {
    const store = memoryStore({ clock: new ManualClock() });
    let probes = 0;
    const { clock, look, monitor } = probing(() => {
      probes++;
      return probeStore(store, "b/healing");
    });
    const [fact] = await look();
    expect(fact).toMatchObject({ symptom: "store-failing", verdict: "well" });
    for (let second = 0; second < 10; second++) {
      clock.pass(1_000);
      expect((await look())[0]?.verdict).toBe("well");
    }
    expect(probes).toBe(3);
    expect(monitor.latencyMs).toBe(0);
  });

  it("says why it failed, and looks again sooner", async () => {
    let isBroken = true;
    let probes = 0;
    const { clock, look } = probing(async () => {
      probes++;
      if (isBroken) throw new Error("the disk is full");
    });
    expect((await look())[0]).toMatchObject({
      verdict: "ill",
      evidence: "a key could not be set and read back: the disk is full",
    });
    isBroken = false;
    clock.pass(1_000);
    expect((await look())[0]?.verdict).toBe("well");
    expect(probes).toBe(2);
  });

  it("does not wait for ever, nor ask again while nobody answers", async () => {
    let probes = 0;
    const { clock, monitor } = probing(() => {
      probes++;
      return new Promise(() => undefined);
    });
    for (let round = 0; round < 5; round++) {
      const facts = monitor.look();
      clock.pass(3_000);
      expect((await facts)[0]).toMatchObject({ verdict: "ill" });
      clock.pass(1_000);
    }
    expect(probes).toBe(1);
  });
});

describe("reopening the store", () => {
  it("dials anew and proves that a key is taken", async () => {
    const store = memoryStore({ clock: new ManualClock() });
    let dialled = 0;
    const redial = () => {
      dialled++;
      return ["https://10.0.0.1:9002", "https://10.0.0.2:9002"];
    };
    let failure: Error | undefined = new Error("the connection is dead");
    const probe = async (name: string) => {
      if (name === "before" && failure !== undefined) throw failure;
      await probeStore(store, `b/${name}`);
    };
    const clock = new ManualClock();
    const remedy = reopenStore({ memberStore: { engine: "etcd", redial }, probe, clock });
    const symptom = symptomOf("store-failing", {
      subject: { type: "store", id: "member", name: "the member's store" },
    });
    expect(remedy.blockedBy(symptom)).toBeUndefined();
    expect((await remedy.apply(symptom, signal)).did).toMatch(/dialled 2 members of etcd anew/);
    await remedy.apply(symptom, signal);
    expect(dialled).toBe(2);
    // It works by then: good connections stay, and there is no credit.
    failure = undefined;
    const { did, changedNothing } = await remedy.apply(symptom, signal);
    expect(did).toMatch(/took a key by then/);
    expect({ changedNothing, dialled }).toEqual({ changedNothing: true, dialled: 2 });
    const embedded = reopenStore({ memberStore: { engine: "sqlite" }, probe, clock });
    expect(embedded.blockedBy(symptom)).toMatch(/works again when its disk does/);
  });
});

describe("reopening a store that is silent", () => {
  it("waits a second for its old connections, and no longer", async () => {
    const clock = new ManualClock();
    const dialled: number[] = [];
    const redial = () => {
      dialled.push(clock.monotonicMs());
      return ["https://10.0.0.1:9002"];
    };
    const probe = (name: string) =>
      name === "before" ? new Promise<never>(() => undefined) : Promise.resolve();
    const remedy = reopenStore({ memberStore: { engine: "etcd", redial }, probe, clock });
    const beganMs = clock.monotonicMs();
    const symptom = symptomOf("store-failing", {
      subject: { type: "store", id: "member", name: "the member's store" },
    });
    const applied = remedy.apply(symptom, signal);
    await clock.advance(5_000);
    expect((await applied).did).toBe("dialled 1 member of etcd anew, set a key and read it back");
    expect(dialled).toEqual([beganMs + 1_000]);
  });
});

describe("members of the store", () => {
  const member = (name: string, health: StoreMemberView["health"]): StoreMemberView => ({
    ...{ id: `id-${name}`, name, nodeId: name, role: "voter", isLeader: name === "a", health },
    ...{ version: "3.4", sizeBytes: 1, sizeInUseBytes: 1, clientUrls: [], errors: [] },
  });
  const status = (members: StoreMemberView[]): SupervisorStatus => ({
    ...{ phase: "voting", message: "", isTrouble: false, version: "3.4", running: true },
    ...{ crashes: 0, complaints: [], endpoints: [], revision: 1, quotaBytes: 1, members },
  });
  const three = [member("a", "ok"), member("b", "ok"), member("c", "unreachable")];

  it("are named when they do not answer", () => {
    const facts = storeMemberFacts(status([...three, member("d", "not started")]));
    expect(facts.map(({ verdict }) => verdict)).toEqual(["well", "well", "ill", "unknown"]);
    expect(facts[2]?.evidence).toBe(
      "the etcd of c, a voter, does not answer; 2 of 4 members answer",
    );
  });

  it("are waited for before they have a vote: one that joins is listed before it answers", () => {
    const learner = { ...member("d", "unreachable"), role: "learner" as const };
    const [voter, newcomer] = storeMemberFacts(status([member("c", "unreachable"), learner]));
    expect(voter).toMatchObject({ verdict: "ill" });
    expect(voter?.holdMs).toBeUndefined();
    expect(newcomer).toMatchObject({ verdict: "ill", holdMs: 15_000 });
  });

  it("are spoken of until as many vote as before", async () => {
    const clock = new ManualClock();
    let seen: SupervisorStatus | undefined = status(three);
    const monitor = new StoreMembersMonitor({ clock, status: () => seen });
    const verdict = async (id: string) =>
      (await monitor.look()).find(({ subject }) => subject.id === id)?.verdict;
    expect(await verdict("id-c")).toBe("ill");
    const two = three.slice(0, 2);
    seen = status(two);
    expect(await verdict("id-c")).toBe("ill");
    seen = status([]);
    expect(await verdict("id-c")).toBe("unknown");
    seen = status([...two, { ...member("d", "ok"), role: "learner" }]);
    expect(await verdict("id-c")).toBe("ill");
    seen = status([...two, member("d", "ok")]);
    expect(await verdict("id-c")).toBe("well");
    // Its place was taken: that the next one is lost is that one's symptom alone.
    seen = status([member("a", "ok"), member("b", "unreachable"), member("d", "ok")]);
    expect(await verdict("id-b")).toBe("ill");
    expect(await verdict("id-c")).toBe("well");
    // Nobody lists the members for a moment: what is known of that place is not lost by it.
    seen = status([]);
    expect([await verdict("id-b"), await verdict("id-c")]).toEqual(["unknown", "well"]);
    seen = status([member("a", "ok"), member("b", "unreachable"), member("d", "ok")]);
    clock.pass(30_001);
    expect(await verdict("id-c")).toBeUndefined();
    seen = status([member("a", "ok"), member("d", "ok")]);
    expect(await verdict("id-b")).toBe("ill");
    clock.pass(MEMBER_LOST_MS + 1);
    expect(await verdict("id-b")).toBeUndefined();
    seen = undefined;
    expect(await monitor.look()).toEqual([]);
  });

  it("are replaced by the supervisor's own steps, when one stands by and not before", async () => {
    const clock = new ManualClock({ atMs: 0 });
    const { member: leads } = leading(clock);
    const here = ["b"];
    let members = three;
    const supervisor = {
      status: () => status(members),
      lookNow: async () => {
        members = members.filter(({ name }) => name !== "c");
      },
    };
    const memberLostMs = MEMBER_LOST_MS;
    const options = { member: leads, supervisor, memberLostMs, coordinatorsHere: () => here };
    const remedy = replaceStoreMember(options);
    const [, , lost] = storeMemberFacts(status(three));
    const symptom = symptomOf("store-member-lost", lost as Fact);
    expect(remedy.blockedBy(symptom)).toMatch(/a member is replaced after 15 min/);
    clock.pass(MEMBER_LOST_MS);
    expect(remedy.blockedBy(symptom)).toMatch(/no other coordinator stands by/);
    here.push("d");
    expect(remedy.blockedBy(symptom)).toBeUndefined();
    expect((await remedy.apply(symptom, signal)).did).toMatch(/is no lost member/);
    const idle = { ...supervisor, lookNow: async () => undefined, status: () => status(three) };
    const waiting = replaceStoreMember({ ...options, supervisor: idle });
    const refused = expect(waiting.apply(symptom, signal)).rejects.toThrow(
      /has not taken the etcd of c out/,
    );
    for (let step = 0; step < 60; step++) {
      clock.pass(500);
      await turn();
    }
    await refused;
  });
});

describe("a leader that struggles", () => {
  const sight = { nodeId: "a", nodeName: "a", storeMs: 20, lagMs: 5, others: 1 };

  it.each([
    ["is quick", {}, "well"],
    ["has a slow store", { storeMs: 1_500 }, "ill"],
    ["has late timers", { lagMs: 1_500 }, "ill"],
    ["is slow, and alone", { storeMs: 1_500, others: 0 }, "well"],
    ["has not measured", { storeMs: undefined, lagMs: undefined }, "unknown"],
  ])("%s", (_text, change, verdict) => {
    expect(leaderFacts({ ...sight, ...change })[0]?.verdict).toBe(verdict);
  });

  it("is late for as long as it stands still now and then, however often it is looked at", () => {
    const lags = new RecentMost();
    expect(lags.add(undefined, 0)).toBeUndefined();
    expect(lags.add(10, 1_000)).toBe(10);
    expect(lags.add(1_500, 2_000)).toBe(1_500);
    for (let atMs = 2_050; atMs < 7_000; atMs += 50) expect(lags.add(10, atMs)).toBe(1_500);
    expect(lags.add(10, 7_000)).toBe(10);
    expect(lags.add(undefined, 11_999)).toBe(10);
    expect(lags.add(undefined, 12_000)).toBeUndefined();
  });

  it("is recognised when others look dead to it for a moment after it stood still", () => {
    const others = new RecentMost();
    const verdicts = [2, 0, 1, 0].map((here, at) => {
      const seen = others.add(here, at * 1_000) ?? 0;
      return leaderFacts({ ...sight, lagMs: 1_500, others: seen })[0]?.verdict;
    });
    expect(verdicts).toEqual(["ill", "ill", "ill", "ill"]);
    const later = others.add(0, 8_000) ?? 0;
    expect(leaderFacts({ ...sight, lagMs: 1_500, others: later })[0]?.verdict).toBe("well");
  });

  it("is over when another one leads, and unknown in between", () => {
    const self = { nodeId: "a", nodeName: "a" };
    const data = { name: "b", linkAddresses: [], apiAddresses: [] };
    const led = (nodeId: string) => ({ nodeId: nodeId as never, epoch: 4, data });
    expect(notLeadingFacts({ leader: led("b") }, self)[0]).toMatchObject({
      ...{ verdict: "well", evidence: "b leads, by epoch 4" },
    });
    expect(notLeadingFacts({ leader: undefined }, self)[0]?.verdict).toBe("unknown");
    expect(notLeadingFacts({ leader: led("a") }, self)).toEqual([]);
  });

  it("gives the lead to another, and stands again when that one is gone", async () => {
    const clock = new ManualClock();
    const store = memoryStore({ clock });
    const candidate = async (nodeId: string) => {
      const data = () => ({ name: nodeId, linkAddresses: [], apiAddresses: [] });
      const leadership = new ElectedLeadership({
        ...{ store, nodeId: nodeId as never, data, leaseTimeMs: 2_000 },
        ...{ clock, random: systemRandom(), log: silentLogger },
      });
      await leadership.start();
      ends.push(() => leadership.stop());
      return leadership;
    };
    const until = async (isSo: () => boolean) => {
      for (let step = 0; step < 2_000 && !isSo(); step++) {
        clock.pass(10);
        await turn();
      }
      expect(isSo()).toBe(true);
    };
    const first = await candidate("a");
    await until(() => first.state.role === "leader");
    const second = await candidate("b");
    const { member, notes } = leading(clock, () => first.state.role === "leader");
    const here = ["b"];
    const remedy = stepDown({
      ...{ member, leadership: first, nodeId: "a", leaseTimeMs: 2_000 },
      coordinatorsHere: () => here,
    });
    const symptom = symptomOf("leader-struggling", leaderFacts(sight)[0] as Fact);
    here.pop();
    expect(remedy.blockedBy(symptom)).toBe("no other coordinator is there to lead");
    await expect(remedy.apply(symptom, signal)).rejects.toThrow();
    here.push("b");
    expect(remedy.blockedBy(symptom)).toBeUndefined();
    const { epoch } = first.state;
    expect((await remedy.apply(symptom, signal)).did).toBe(
      `a gave the lead of epoch ${epoch} back`,
    );
    expect(notes).toEqual(["healing.step-down"]);
    expect(() => first.requireLeading()).toThrow();
    await until(() => second.state.role === "leader");
    expect(second.state.epoch).toBe(epoch + 1);
    expect(remedy.blockedBy(symptom)).toBe("another coordinator leads");
    await second.stop();
    await until(() => first.state.role === "leader");
  });
});
