/** The supervisor with the system's own etcd: one node, several, and what can happen to them. */
import { rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { readMembership, setDataAside } from "./etcd-data.js";
import { etcdProcesses } from "./etcd-orphans.js";
import { etcdOrReason, until } from "./testing/etcd-fixture.js";
import { type Coordinator, SupervisedMember } from "./testing/supervised-member.js";

const { etcd, missing } = await etcdOrReason();
const TIME_MS = 90_000;
vi.setConfig({ testTimeout: TIME_MS, hookTimeout: TIME_MS });

async function startAlone(member: SupervisedMember): Promise<Coordinator> {
  const first = await member.add();
  await member.start(first);
  await first.supervisor.untilUsable(30_000);
  return first;
}
const phaseOf = ({ supervisor }: Coordinator) => supervisor.status().phase;
const votersSeenBy = ({ supervisor }: Coordinator) =>
  supervisor
    .status()
    .members.filter(({ role }) => role === "voter")
    .map(({ name }) => name);

describe.skipIf(etcd === undefined)(missing ?? "the supervisor of etcd on one node", () => {
  let member: SupervisedMember;
  beforeEach(() => {
    member = new SupervisedMember();
  });
  afterEach(() => member.close());

  it("begins a store, which serves after a restart too", async () => {
    const first = await startAlone(member);
    const { supervisor, home } = first;
    const endpoints = [`https://127.0.0.1:${home.store.client.port}`];
    expect(supervisor.endpoints()).toEqual(endpoints);
    await until(() => phaseOf(first) === "voting");
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
  });

  it("tells the cluster that the node has another address", async () => {
    const first = await startAlone(member);
    await until(() => phaseOf(first) === "voting");
    await member.stop(first);
    first.hosts = ["localhost", "127.0.0.1"];
    await member.renew(first, true);
    await member.start(first);
    const clientUrls = () => first.supervisor.status().members[0]?.clientUrls ?? [];
    await until(() => clientUrls().some((url) => url.includes("localhost")));
    await until(() => phaseOf(first) === "voting");
  });

  it("tells why etcd does not run, in etcd's own words", async () => {
    const first = await member.add();
    first.home.store.peer.port = first.home.store.client.port;
    await member.start(first);
    await expect(first.supervisor.untilUsable(30_000)).rejects.toMatchObject({
      code: "MESH_ETCD_FAILED",
      message: expect.stringContaining("address already in use"),
    });
  });

  it("does not begin a second store when its data is gone", async () => {
    const first = await startAlone(member);
    await until(() => phaseOf(first) === "voting");
    await member.stop(first);
    await rm(first.home.files.data, { recursive: true });
    await member.renew(first, true);
    await member.start(first);
    await expect(first.supervisor.untilUsable(30_000)).rejects.toMatchObject({
      code: "MESH_STORE_UNAVAILABLE",
      message: expect.stringContaining("mesh store restore"),
    });
  });
});

/** One cluster, to which one thing after the other happens. */
describe.skipIf(etcd === undefined)(missing ?? "the supervisors of a member's etcd", () => {
  let member: SupervisedMember;
  let first: Coordinator;
  let second: Coordinator;
  let third: Coordinator;
  let fourth: Coordinator;
  beforeAll(async () => {
    member = new SupervisedMember();
    first = await startAlone(member);
  });
  afterAll(() => member.close());

  async function startAgain(coordinator: Coordinator): Promise<void> {
    await member.renew(coordinator);
    await member.start(coordinator);
  }

  it("take a second node in as a learner, which serves nobody and does not vote", async () => {
    second = await member.add();
    await member.start(second);
    await second.supervisor.untilUsable(30_000);
    await until(() => phaseOf(second) === "learning");
    expect(second.supervisor.endpoints()).toEqual(first.supervisor.endpoints());
    expect(votersSeenBy(first)).toEqual(["node-1"]);
  });

  it("let three vote when there is a third, and a fourth stand by", async () => {
    third = await member.add();
    await member.start(third);
    await until(() => [first, second, third].every((one) => phaseOf(one) === "voting"));
    await until(() => second.supervisor.endpoints().length === 3);
    const own = `https://127.0.0.1:${second.home.store.client.port}`;
    expect(second.supervisor.endpoints()[0]).toBe(own);
    fourth = await member.add();
    await member.start(fourth);
    await until(() => phaseOf(fourth) === "standing by");
    expect(fourth.supervisor.endpoints().length).toBe(3);
    // After a restart it finds the others by what it wrote down.
    expect((await readMembership(fourth.home.files))?.endpoints.length).toBe(3);
  });

  it("replace a lost one by the one that stands by, and the lost one stands by then", async () => {
    await member.stop(third);
    await until(() => votersSeenBy(first).includes("node-4"));
    expect(votersSeenBy(first)).toEqual(["node-1", "node-2", "node-4"]);
    await startAgain(third);
    await until(() => phaseOf(third) === "standing by");
    await member.stop(third);
  });

  it("go on without one of three, and take it back when it lost its data", async () => {
    await member.stop(fourth);
    await rm(fourth.home.files.data, { recursive: true });
    await startAgain(fourth);
    await until(() => second.supervisor.status().members.every(({ health }) => health === "ok"));
    await until(() => phaseOf(fourth) === "voting");
    expect(votersSeenBy(second)).toEqual(["node-1", "node-2", "node-4"]);
  });

  it("say that the majority is lost, and what to do, and go on when it is back", async () => {
    await member.stop(second);
    await member.stop(fourth);
    await until(() => phaseOf(first) === "no majority");
    const status = first.supervisor.status();
    expect(status.isTrouble).toBe(true);
    expect(status.message).toContain("mesh store restore");
    await startAgain(second);
    await until(() => phaseOf(first) === "voting");
    await startAgain(fourth);
    await until(() => phaseOf(fourth) === "voting");
  });

  it("take out the etcd of a node that the operator removed", async () => {
    member.removed.add(fourth.nodeId);
    await until(() => votersSeenBy(first).length === 2);
    expect(votersSeenBy(first)).toEqual(["node-1", "node-2"]);
  });

  it("keep away from a store that is not theirs, and join it when they are told to", async () => {
    for (const one of [first, second, fourth]) await member.stop(one);
    // What a restore leaves on the first node: another cluster, at the same addresses.
    await rm(first.home.files.data, { recursive: true });
    await rm(first.home.files.membership);
    first.isAlone = true;
    await member.renew(first, true);
    await member.start(first);
    await first.supervisor.untilUsable(30_000);
    await startAgain(second);
    await expect(second.supervisor.untilUsable(30_000)).rejects.toMatchObject({
      message: expect.stringContaining("mesh store restore --rejoin"),
    });
    expect(second.supervisor.status().running).toBe(false);
    await member.stop(second);
    await setDataAside(second.home.files, 0);
    await startAgain(second);
    await until(() => phaseOf(second) === "learning");
    expect(second.supervisor.endpoints()).toEqual(first.supervisor.endpoints());
  });
});
