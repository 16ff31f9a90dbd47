/** Space and snapshots of a real etcd. */
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  isMeshError,
  type LogFields,
  type Logger,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import { type EtcdAdmin, openEtcdAdmin, openEtcdStore, put } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClusterObserver, type Observation } from "./cluster-observer.js";
import { readSnapshotInfo } from "./snapshot-file.js";
import { StoreUpkeep } from "./store-upkeep.js";
import { etcdOrReason } from "./testing/etcd-fixture.js";
import { type Coordinator, SupervisedMember } from "./testing/supervised-member.js";

const { etcd, missing } = await etcdOrReason();
const TIME_MS = 60_000;
const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };

describe.skipIf(etcd === undefined)(missing ?? "the upkeep of the store", () => {
  let member: SupervisedMember;
  let first: Coordinator;
  let admin: EtcdAdmin;
  let seen: Observation;
  let said: string[];
  beforeEach(async () => {
    member = new SupervisedMember();
    first = await member.add({ quotaBytes: 4 << 20, snapshotIntervalMs: 60_000, snapshotsKept: 2 });
    await member.start(first);
    await first.supervisor.untilUsable(30_000);
    admin = await openEtcdAdmin(connection());
    said = [];
    await look();
  }, TIME_MS);
  afterEach(async () => {
    await admin.close();
    await member.close();
  }, TIME_MS);

  function connection() {
    const { supervisor } = first;
    return { endpoints: supervisor.endpoints(), tls: supervisor.tls, ...tools };
  }
  async function look(): Promise<void> {
    seen = await new ClusterObserver(admin).look(first.supervisor.endpoints());
  }
  function upkeep(nowMs = () => 1_790_000_000_000): StoreUpkeep {
    const [ownEndpoint = ""] = first.supervisor.endpoints();
    return new StoreUpkeep({
      admin,
      files: first.home.files,
      store: first.home.store,
      seen: () => seen,
      ownEndpoint,
      ownMemberId: () => seen.cluster?.leaderId,
      ...tools,
      clock: { ...systemClock(), nowMs },
      log: remembering(said),
    });
  }

  it(
    "makes room in a full store and lifts its alarm",
    async () => {
      const store = await openEtcdStore({ ...connection(), keyPrefix: "/test/" });
      const value = () => put("same", randomBytes(200_000));
      try {
        const full = await fillUp(() => store.transact({ success: [value()] }));
        expect(isMeshError(full, "MESH_STORE_NO_SPACE")).toBe(true);
        expect(await admin.alarms()).toHaveLength(1);
        await look();
        await upkeep().look();
        expect(await admin.alarms()).toEqual([]);
        await store.transact({ success: [value()] });
        expect(said.join("\n")).toMatch(
          /is full[\s\S]*was cut[\s\S]*gave back[\s\S]*has room again/,
        );
      } finally {
        await store.close();
      }
    },
    TIME_MS,
  );

  it(
    "says so when a store stays full",
    async () => {
      const store = await openEtcdStore({ ...connection(), keyPrefix: "/test/" });
      let count = 0;
      try {
        await fillUp(() => {
          count++;
          return store.transact({ success: [put(`key-${count}`, randomBytes(200_000))] });
        });
        await look();
        await upkeep().look();
        expect(await admin.alarms()).toHaveLength(1);
        expect(said.join("\n")).toContain("stays full");
      } finally {
        await store.close();
      }
    },
    TIME_MS,
  );

  it(
    "takes snapshots in time, verifies them, and keeps the newest",
    async () => {
      let nowMs = 1_790_000_000_000;
      const { snapshots } = first.home.files;
      const keeper = upkeep(() => nowMs);
      for (let minute = 0; minute < 6; minute++) {
        await keeper.look();
        nowMs += 30_000;
      }
      const names = await readdir(snapshots);
      expect(names).toHaveLength(2);
      for (const name of names) {
        expect(await readSnapshotInfo(join(snapshots, name))).toMatchObject({ engine: "etcd" });
      }
      expect(said.filter((line) => line.includes("snapshot of the store"))).toHaveLength(3);
    },
    TIME_MS,
  );

  it("leaves the store alone while a member is away, and off the leader's node", async () => {
    const idle = said.length;
    const whole = seen;
    const members = whole.cluster?.members.map((one) => ({ ...one, isReachable: false })) ?? [];
    seen = { ...whole, statuses: [], cluster: whole.cluster && { ...whole.cluster, members } };
    await upkeep().look();
    expect(said.length).toBe(idle);
  });
});

async function fillUp(write: () => Promise<unknown>): Promise<unknown> {
  for (let at = 0; at < 100; at++) {
    try {
      await write();
    } catch (error) {
      // The one that reached the limit may have happened; from the next on none does.
      if (!isMeshError(error, "MESH_STORE_RESULT_UNKNOWN")) return error;
    }
  }
  return undefined;
}

function remembering(lines: string[]): Logger {
  const say = (message: string, _fields?: LogFields) => void lines.push(message);
  const log: Logger = {
    debug: () => undefined,
    info: say,
    warn: say,
    error: say,
    child: () => log,
  };
  return log;
}
