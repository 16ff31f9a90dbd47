/**
 * Coordinators on real etcd: a member of the store whose disk is gone comes back, and one that
 * stays dead is replaced by a coordinator that stands by; an incident tells of it. All the while
 * keys are set through a coordinator that nothing happens to.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { whyNoEtcd } from "@hearthmesh/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MeshProcess, MeshProcesses, meshOk } from "../../scripts/mesh-processes.mjs";
import { until } from "../support/until.js";

const missing = whyNoEtcd();
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-store-members-"));
/** For what takes seconds, on a machine that is ten times slower. */
const START_MS_MAX = 600_000;
/** As a service manager starts it again and again. */
const STARTS_MAX = 20;
const RESTART_MS = 2_000;
const FLAGS = ["--store-lease-time", "15s", "--store-member-lost", "15s"];
const PATIENT = { timeout: 180_000, interval: 500 };
let member: MeshProcesses;

async function ask<Answer>(at: MeshProcess, path: string): Promise<Answer> {
  const answer = await fetch(`${at.httpUrl}${path}`);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return (await answer.json()) as Answer;
}

interface Coordinators {
  coordinators: { name: string; isLeader: boolean }[];
}

async function leaderName(at: MeshProcess): Promise<string | undefined> {
  const answer = await ask<Coordinators>(at, "/api/coordinators").catch(() => undefined);
  return answer?.coordinators.find(({ isLeader }) => isLeader)?.name;
}

function named(name: string | undefined): MeshProcess {
  const found = member.coordinators.find((one) => nameOf(one) === name);
  if (found === undefined) throw new Error(`${name} is none of the coordinators`);
  return found;
}

const nameOf = (one: MeshProcess) =>
  one === member.coordinator ? "alice-coordinator" : (one.home.split("/").at(-1) ?? "");

interface Member {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly health: string;
}

async function voting(at: MeshProcess): Promise<Member[]> {
  const path = "/api/store/members";
  const answer = await ask<{ members: Member[] }>(at, path).catch(() => undefined);
  const members = answer?.members ?? [];
  return members.filter(({ role, health }) => role === "voter" && health === "ok");
}

async function voters(at: MeshProcess): Promise<string[]> {
  return (await voting(at)).map(({ name }) => name).sort();
}

/**
 * The three that vote, once all of these say the same: each one tells what it saw some seconds ago.
 */
async function settled(among: readonly MeshProcess[]): Promise<readonly Member[]> {
  let agreed: readonly Member[] = [];
  const views = async () => {
    const seen = await Promise.all(among.map(voting));
    agreed = seen[0] ?? [];
    return new Set(seen.map((some) => idsOf(some).join(" ")));
  };
  await expect.poll(async () => [(await views()).size, agreed.length], PATIENT).toEqual([1, 3]);
  return agreed;
}

const idsOf = (some: readonly Member[]) => some.map(({ id }) => id).sort();

/** Sets one key after the other through this coordinator until it is told to end. */
function writing(through: () => MeshProcess, prefix: string) {
  let isOver = false;
  let refused = 0;
  const set: string[] = [];
  const run = (async () => {
    for (let count = 0; !isOver; count++) {
      const key = `${prefix}/${count}`;
      const put = { method: "PUT", body: String(count) };
      // One that was not taken is tried again: a reader must find it in the end.
      for (;;) {
        const url = `${through().httpUrl}/api/kv/${key}`;
        const answer = await fetch(url, put).catch(() => undefined);
        if (answer?.ok || isOver) break;
        refused++;
        await sleep(100);
      }
      if (isOver) break;
      set.push(key);
      await sleep(100);
    }
  })();
  return {
    end: async (): Promise<string[]> => {
      isOver = true;
      await run;
      expect(set.length).toBeGreaterThan(refused);
      return set;
    },
  };
}

async function expectSet(at: MeshProcess, keys: readonly string[]): Promise<void> {
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) {
    // A machine that is busy may let a request wait for too long.
    const value = async () => (await fetch(`${at.httpUrl}/api/kv/${key}`)).text();
    await expect.poll(value, PATIENT).toBe(key.split("/").at(-1));
  }
}

interface Roles {
  readonly leader: MeshProcess;
  /** Votes, and does not lead. */
  readonly victim: MeshProcess;
  readonly victimId: string | undefined;
  readonly standby: MeshProcess;
}

async function roles(): Promise<Roles> {
  const { coordinator, coordinators } = member;
  const members = await settled(coordinators);
  await expect.poll(() => leaderName(coordinator), PATIENT).toBeDefined();
  const leader = named(await leaderName(coordinator));
  const victim = members.find(({ name }) => named(name) !== leader);
  const standby = coordinators.find((one) => !members.some(({ name }) => name === nameOf(one)));
  if (standby === undefined) throw new Error("nobody stands by");
  return { leader, victim: named(victim?.name), victimId: victim?.id, standby };
}

interface Told {
  readonly id: string;
  readonly state: string;
  readonly openedAtMs: number;
  readonly subject: { readonly name: string };
}

/** What this coordinator tells of the loss of the victim's etcd since then. */
async function toldBy(at: MeshProcess, victim: MeshProcess, sinceMs: number) {
  const path = "/api/healing/incidents?kind=store-member-lost";
  const { incidents } = await ask<{ incidents: readonly Told[] }>(at, path);
  const name = `the etcd of ${nameOf(victim)}`;
  const told = incidents.find(
    ({ subject, openedAtMs }) => subject.name === name && openedAtMs >= sinceMs,
  );
  return told && { ...told, at };
}

/** A daemon that is killed leaves its etcd behind; on a machine without power both are gone. */
async function killWithEtcd(one: MeshProcess): Promise<void> {
  await one.kill();
  const found = spawnSync("pgrep", ["-f", join(one.home, "etcd")], { encoding: "utf8" });
  for (const pid of found.stdout.split("\n").filter(Boolean)) process.kill(Number(pid), "SIGKILL");
}

/** As systemd does: a start while etcd has no leader for a moment ends, and comes again. */
async function startAgain(one: MeshProcess): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    one.start();
    try {
      return await one.ready();
    } catch (error) {
      await one.kill();
      if (attempt === STARTS_MAX) throw error;
      await sleep(RESTART_MS);
    }
  }
}

const name = "coordinators on etcd";

describe.skipIf(missing !== undefined)(missing ? `${name} (${missing})` : name, () => {
  beforeAll(async () => {
    member = await MeshProcesses.start({
      ...{ folder, storageNodes: 0, coordinators: 4, store: "etcd" },
      coordinatorExtra: FLAGS,
    });
  }, START_MS_MAX);

  afterAll(async () => {
    await member?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("three of them vote", { timeout: START_MS_MAX }, async () => {
    await expect.poll(() => voters(member.coordinator), PATIENT).toHaveLength(3);
  });

  it("one whose disk is gone gets all data again", { timeout: START_MS_MAX }, async () => {
    const { leader: other, victim, victimId, standby } = await roles();
    // It would take the place at once.
    await standby.kill();
    const keys = writing(() => other, "disk");
    await killWithEtcd(victim);
    rmSync(join(victim.home, "etcd"), { recursive: true, force: true });
    await startAgain(victim);
    const alive = member.coordinators.filter((one) => one !== standby);
    await expect
      .poll(async () => (await voting(victim)).some(({ id }) => id === victimId), PATIENT)
      .toBe(false);
    const members = await settled(alive);
    expect(members.map(({ name }) => name)).toContain(nameOf(victim));
    await expectSet(victim, await keys.end());
    await startAgain(standby);
  });

  it("one that stays dead is replaced by a coordinator that stands by", {
    timeout: START_MS_MAX,
  }, async () => {
    const { leader: other, victim } = await roles();
    const keys = writing(() => other, "dead");
    const killedAtMs = Date.now();
    await killWithEtcd(victim);
    const told = await until("the loss to be told", async () => {
      // By the one that leads: on a busy machine that may be another one by now.
      const asked = member.coordinators
        .filter((one) => one !== victim)
        .map((one) => toldBy(one, victim, killedAtMs).catch(() => undefined));
      return (await Promise.all(asked)).find((answer) => answer !== undefined);
    });
    await expect
      .poll(async () => (await voters(other)).includes(nameOf(victim)), PATIENT)
      .toBe(false);
    await expect.poll(() => voters(other), PATIENT).toHaveLength(3);
    expect(await voters(other)).not.toContain(nameOf(victim));
    await expectSet(other, await keys.end());
    // Its place was taken: whether the healer hurried that, or the supervisor alone did it, or
    // another one leads meanwhile and this one speaks of it no longer.
    const state = async () => (await toldBy(told.at, victim, killedAtMs).catch(() => told))?.state;
    await expect.poll(state, PATIENT).toMatch(/^(mended|passed|ended)$/);
    const page = await meshOk(told.at.home, ["heal", "explain", told.id]);
    expect(page).toMatch(/, a\s+voter, does not answer; \d of \d members answer/);
    // It stands by when it comes back: three vote already.
    await startAgain(victim);
    expect(await voters(other)).toHaveLength(3);
  });
});
