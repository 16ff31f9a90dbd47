import { isMeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openEtcdStore } from "../etcd/etcd-store.js";
import { jsonValue, put } from "../operations.js";
import { EtcdCluster, whyNoEtcd } from "../testing/etcd-process.js";
import type { Store } from "../types.js";
import { Election } from "./election.js";
import { ELECTION_EPOCH_KEY } from "./leader-record.js";

/** Real processes on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const LEASE_MS = 2000;
const missing = whyNoEtcd();
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Candidate {
  readonly store: Store;
  readonly election: Election;
}

async function cluster(size: number): Promise<EtcdCluster> {
  const started = await EtcdCluster.start(size);
  ends.push(() => started.dispose());
  return started;
}

async function candidate(nodeId: string, endpoints: readonly string[]): Promise<Candidate> {
  const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
  const store = await openEtcdStore({ endpoints, keyPrefix: "test/", ...tools });
  ends.push(() => store.close());
  const data = () => ({ name: nodeId });
  const election = new Election({
    store,
    nodeId,
    candidate: data,
    leaseTimeMs: LEASE_MS,
    ...tools,
  });
  ends.push(() => election.stop());
  return { store, election };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const leaderOf = (all: readonly Candidate[]) => all.find(({ election }) => election.isLeading());
const fenced = (error: unknown) => isMeshError(error, "MESH_EPOCH_OLD");
const title = `Election on etcd${missing === undefined ? "" : ` (skipped: ${missing})`}`;

describe.skipIf(missing !== undefined)(title, () => {
  it("survives the end of any one member, and of the coordinator that leads", async () => {
    const { endpoints, members } = await cluster(3);
    const all = await Promise.all(
      ["a", "b", "c"].map((name, index) =>
        candidate(name, [...endpoints.slice(index), ...endpoints.slice(0, index)]),
      ),
    );
    await Promise.all(all.map(({ election }) => election.start()));
    await until(() => leaderOf(all) !== undefined);
    const first = leaderOf(all)!;
    const guard = first.election.guard();
    const { epoch } = first.election.state;
    await first.election.fence().transact({ success: [put("acked", jsonValue(epoch))] });

    await members[all.indexOf(first)]?.end("SIGKILL");
    await first.election.stop();
    const rest = all.filter((each) => each !== first);
    await until(() => leaderOf(rest) !== undefined);
    const second = leaderOf(rest)!;
    expect(second.election.requireLeading()).toBeGreaterThan(epoch);
    expect(await second.store.get("acked")).toBeDefined();
    const late = second.store.transact({ guard, success: [put("late", jsonValue(1))] });
    await expect(late).rejects.toSatisfy(fenced);
    await until(() => rest.every(({ election }) => election.state.leader !== undefined));
    expect(new Set(rest.map(({ election }) => election.state.leader?.nodeId)).size).toBe(1);
  });

  it("stops acting while etcd stands still, and leads again in a new epoch", async () => {
    const { endpoints, members } = await cluster(1);
    const alone = await candidate("a", endpoints);
    await alone.election.start();
    await until(() => alone.election.isLeading());
    const guard = alone.election.guard();
    members[0]?.pause();
    await until(() => !alone.election.isLeading());
    expect(() => alone.election.requireLeading()).toThrow();
    members[0]?.resume();
    await until(() => alone.election.isLeading());
    expect(alone.election.requireLeading()).toBeGreaterThan(1);
    const late = alone.store.transact({ guard, success: [put("late", jsonValue(1))] });
    await expect(late).rejects.toSatisfy(fenced);
  });

  it("takes over from a suspected leader at once, and fences it", async () => {
    const { endpoints } = await cluster(1);
    const [old, next] = [await candidate("a", endpoints), await candidate("b", endpoints)];
    await old.election.start();
    await until(() => old.election.isLeading());
    await next.election.start();
    const guard = old.election.guard();
    next.election.suspect("a");
    await until(() => next.election.isLeading());
    const late = old.store.transact({ guard, success: [put("late", jsonValue(1))] });
    await expect(late).rejects.toSatisfy(fenced);
    await until(() => old.election.state.leader?.nodeId === "b");
    await next.election.fence().transact({ success: [put("own", jsonValue(2))] });
    const entry = await old.store.get(ELECTION_EPOCH_KEY);
    expect(Buffer.from(entry?.value ?? []).toString()).toBe(String(next.election.state.epoch));
  });
});
