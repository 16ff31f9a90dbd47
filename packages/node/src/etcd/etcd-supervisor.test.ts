/** The supervisor with the system's own etcd: one node, several, and what can happen to them. */
import { rm } from "node:fs/promises";
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { openEtcdAdmin } from "@hearthmesh/store";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readMembership } from "./etcd-data.js";
import { etcdProcesses } from "./etcd-orphans.js";
import { etcdOrReason, until } from "./testing/etcd-fixture.js";
import { type Coordinator, SupervisedMember } from "./testing/supervised-member.js";

const { etcd, missing } = await etcdOrReason();
const TIME_MS = 90_000;

describe.skipIf(etcd === undefined)(missing ?? "the supervisor of etcd", () => {
  let member: SupervisedMember;
  beforeEach(() => {
    member = new SupervisedMember();
  });
  afterEach(() => member.close(), TIME_MS);

  async function startAlone(): Promise<Coordinator> {
    const first = await member.add();
    await member.start(first);
    await first.supervisor.untilUsable(30_000);
    return first;
  }
  const phases = () => member.coordinators.map(({ supervisor }) => supervisor.status().phase);
  const votersSeenBy = ({ supervisor }: Coordinator) =>
    supervisor
      .status()
      .members.filter(({ role }) => role === "voter")
      .map(({ name }) => name);

  async function startThree(): Promise<Coordinator[]> {
    const first = await startAlone();
    for (let at = 0; at < 2; at++) {
      const next = await member.add();
      await member.start(next);
      await next.supervisor.untilUsable(30_000);
    }
    await until(() => phases().every((phase) => phase === "voting"));
    await until(() => votersSeenBy(first).length === 3);
    return member.coordinators;
  }

  it(
    "begins a store on the first node, which serves after a restart too",
    async () => {
      const first = await startAlone();
      const { supervisor, home } = first;
      const endpoints = [`https://127.0.0.1:${home.store.client.port}`];
      expect(supervisor.endpoints()).toEqual(endpoints);
      await until(() => supervisor.status().phase === "voting");
      expect(supervisor.status()).toMatchObject({
        running: true,
        isTrouble: false,
        members: [{ name: "node-1", role: "voter", isLeader: true, health: "ok" }],
      });
      const [before] = supervisor.status().members;
      await member.stop(first);
      expect(await etcdProcesses(home.files.data)).toEqual([]);
      await member.renew(first, true);
      await member.start(first);
      await first.supervisor.untilUsable(30_000);
      expect(first.supervisor.status().members[0]?.id).toBe(before?.id);
    },
    TIME_MS,
  );

  it(
    "takes a second node in as a learner, and a third: then three vote",
    async () => {
      const first = await startAlone();
      const second = await member.add();
      await member.start(second);
      await second.supervisor.untilUsable(30_000);
      await until(() => second.supervisor.status().phase === "learning");
      // A learner serves nobody: its daemon uses the first node's etcd.
      expect(second.supervisor.endpoints()).toEqual(first.supervisor.endpoints());
      expect(votersSeenBy(first)).toEqual(["node-1"]);
      const third = await member.add();
      await member.start(third);
      await until(() => phases().every((phase) => phase === "voting"));
      await until(() => second.supervisor.endpoints().length === 3);
      const own = `https://127.0.0.1:${second.home.store.client.port}`;
      expect(second.supervisor.endpoints()[0]).toBe(own);
    },
    TIME_MS,
  );

  it(
    "goes on when one of three is gone, and takes it back after its data was lost",
    async () => {
      const [first, second, third] = (await startThree()) as [
        Coordinator,
        Coordinator,
        Coordinator,
      ];
      await member.stop(third);
      await until(() => first.supervisor.status().members.some(({ health }) => health !== "ok"));
      expect(votersSeenBy(first)).toHaveLength(3);
      await rm(third.home.files.data, { recursive: true });
      await member.renew(third);
      await member.start(third);
      await until(() => phases().every((phase) => phase === "voting"));
      await until(() => second.supervisor.status().members.every(({ health }) => health === "ok"));
      expect(votersSeenBy(second)).toEqual(["node-1", "node-2", "node-3"]);
    },
    TIME_MS,
  );

  it(
    "replaces a lost member by one that stands by, and takes the lost one for a new one",
    async () => {
      const [first, , third] = (await startThree()) as [Coordinator, Coordinator, Coordinator];
      const fourth = await member.add();
      await member.start(fourth);
      await until(() => fourth.supervisor.status().phase === "standing by");
      expect(fourth.supervisor.endpoints().length).toBe(3);
      // One that stands by finds the others again by what it wrote down.
      expect((await readMembership(fourth.home.files))?.endpoints.length).toBe(3);
      await member.stop(third);
      await until(() => votersSeenBy(first).includes("node-4"));
      expect(votersSeenBy(first)).toEqual(["node-1", "node-2", "node-4"]);
      await member.renew(third);
      await member.start(third);
      await until(() => third.supervisor.status().phase === "standing by");
    },
    TIME_MS,
  );

  it(
    "takes out the etcd of a node that the operator removed",
    async () => {
      const [first, , third] = (await startThree()) as [Coordinator, Coordinator, Coordinator];
      member.removed.add(third.nodeId);
      await until(() => votersSeenBy(first).length === 2);
      expect(votersSeenBy(first)).toEqual(["node-1", "node-2"]);
    },
    TIME_MS,
  );

  it(
    "says that the majority is lost, and what to do",
    async () => {
      const [first, second, third] = (await startThree()) as [
        Coordinator,
        Coordinator,
        Coordinator,
      ];
      await member.stop(second);
      await member.stop(third);
      await until(() => first.supervisor.status().phase === "no majority");
      const status = first.supervisor.status();
      expect(status.isTrouble).toBe(true);
      expect(status.message).toContain("mesh store restore");
      await member.renew(second);
      await member.start(second);
      await until(() => first.supervisor.status().phase === "voting");
    },
    TIME_MS,
  );

  it(
    "tells why etcd does not run, in etcd's own words",
    async () => {
      const first = await member.add();
      first.home.store.peer.port = first.home.store.client.port;
      await member.start(first);
      await expect(first.supervisor.untilUsable(30_000)).rejects.toMatchObject({
        code: "MESH_ETCD_FAILED",
        message: expect.stringContaining("address already in use"),
      });
    },
    TIME_MS,
  );

  it(
    "does not begin a second store when its data is gone",
    async () => {
      const first = await startAlone();
      await until(() => first.supervisor.status().phase === "voting");
      await member.stop(first);
      await rm(first.home.files.data, { recursive: true });
      await member.renew(first, true);
      await member.start(first);
      await expect(first.supervisor.untilUsable(30_000)).rejects.toMatchObject({
        code: "MESH_STORE_UNAVAILABLE",
        message: expect.stringContaining("mesh store restore"),
      });
    },
    TIME_MS,
  );

  it(
    "lifts the alarm of a full store after it made room",
    async () => {
      const first = await member.add({ quotaBytes: 2 << 20 });
      await member.start(first);
      await first.supervisor.untilUsable(30_000);
      const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
      const { supervisor } = first;
      const admin = await openEtcdAdmin({
        endpoints: supervisor.endpoints(),
        tls: supervisor.tls,
        ...tools,
      });
      await admin.close();
    },
    TIME_MS,
  );
});
