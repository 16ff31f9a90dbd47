/** The operator's calls against real etcd processes. */
import { createHash } from "node:crypto";
import { isMeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EtcdCluster, type EtcdProcess, whyNoEtcd } from "../testing/etcd-process.js";
import { type EtcdAdmin, openEtcdAdmin } from "./admin.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const missing = whyNoEtcd();
const name = missing === undefined ? "etcd's operator" : `etcd's operator (${missing})`;

const environment = () => ({
  clock: systemClock(),
  random: systemRandom(),
  log: silentLogger,
});

describe.skipIf(missing !== undefined)(name, () => {
  let cluster: EtcdCluster;
  let admin: EtcdAdmin;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(1);
    admin = await openEtcdAdmin({ endpoints: cluster.endpoints, ...environment() });
  });
  afterAll(async () => {
    await admin?.close();
    await cluster?.dispose();
  });
  const endpoint = () => cluster.endpoints[0]!;

  it("lists the members and tells how one of them is", async () => {
    const [member] = await admin.memberList();
    expect(member).toMatchObject({ name: "m0", isLearner: false, clientUrls: [endpoint()] });
    const status = await admin.statusOf(endpoint());
    expect(status.memberId).toBe(member?.id);
    expect(status.leaderId).toBe(member?.id);
    expect(status.memberId).toMatch(/^[0-9a-f]{16}$/);
    expect(status.version).toMatch(/^3\./);
    expect(status.dbSizeBytes).toBeGreaterThan(0);
    expect(status.dbSizeInUseBytes).toBeLessThanOrEqual(status.dbSizeBytes);
    expect(status.raftAppliedIndex).toBeGreaterThan(0);
    expect(status.errors).toEqual([]);
  });

  it("adds a learner, promotes it when it has caught up, and removes it", async () => {
    const learner = await cluster.prepare("late");
    const added = await admin.memberAdd([learner.peerUrl], { learner: true });
    expect(added).toMatchObject({ name: "", isLearner: true, peerUrls: [learner.peerUrl] });
    await expect(admin.memberPromote(added.id)).rejects.toSatisfy((error) =>
      isMeshError(error, "MESH_STORE_BUSY"),
    );
    await learner.start(joining(cluster, learner), false);
    for (;;) {
      const done = await admin.memberPromote(added.id).then(
        () => true,
        (error: unknown) => {
          if (!isMeshError(error, "MESH_STORE_BUSY")) throw error;
          return false;
        },
      );
      if (done) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await admin.memberList()).map((each) => each.isLearner)).toEqual([false, false]);
    admin.setEndpoints([endpoint(), learner.endpoint]);
    const first = (await admin.statusOf(endpoint())).memberId;
    await admin.moveLeader(added.id);
    expect((await admin.statusOf(learner.endpoint)).leaderId).toBe(added.id);
    await admin.moveLeader(first);
    admin.setEndpoints([endpoint()]);
    await untilDone(() => admin.memberRemove(added.id));
    await learner.end();
    expect(await admin.memberList()).toHaveLength(1);
    await expect(admin.memberRemove(added.id)).rejects.toSatisfy((error) =>
      isMeshError(error, "MESH_NOT_FOUND"),
    );
  });

  it("compacts, defragments and has no alarms", async () => {
    const { revision } = await admin.statusOf(endpoint());
    await admin.compactPhysical(revision);
    await admin.compactPhysical(revision);
    await admin.defragment(endpoint());
    expect(await admin.alarms()).toEqual([]);
    await expect(admin.compactPhysical(revision + 100)).rejects.toSatisfy((error) =>
      isMeshError(error, "MESH_STORE_FUTURE_REVISION"),
    );
  });

  it("streams a snapshot that ends with its own checksum", async () => {
    const parts: Uint8Array[] = [];
    const { sizeBytes } = await admin.snapshot(endpoint(), async (part) => {
      parts.push(part.slice());
    });
    const file = Buffer.concat(parts);
    expect(file.length).toBe(sizeBytes);
    const digest = createHash("sha256").update(file.subarray(0, -32)).digest();
    expect(digest.equals(file.subarray(-32))).toBe(true);
  });

  it("ends a snapshot whose receiver fails, with the receiver's error", async () => {
    const failure = new Error("the disk is full");
    await expect(
      admin.snapshot(endpoint(), async () => {
        throw failure;
      }),
    ).rejects.toBe(failure);
  });

  it("says so when nobody answers, and takes only encrypted addresses from afar", async () => {
    await expect(admin.statusOf("http://127.0.0.1:1")).rejects.toSatisfy((error) =>
      isMeshError(error, "MESH_STORE_UNAVAILABLE"),
    );
    await expect(admin.statusOf("http://192.0.2.1:2379")).rejects.toSatisfy((error) =>
      isMeshError(error, "MESH_CONFIG_INVALID"),
    );
    await expect(admin.memberRemove("not an id")).rejects.toSatisfy((error) =>
      isMeshError(error, "MESH_BAD_REQUEST"),
    );
  });
});

function joining(cluster: EtcdCluster, learner: EtcdProcess): string[] {
  const peers = [...cluster.members, learner].map((each) => `${each.name}=${each.peerUrl}`);
  return [`--initial-cluster=${peers.join(",")}`, "--initial-cluster-state=existing"];
}

async function untilDone(work: () => Promise<void>): Promise<void> {
  for (;;) {
    const error: unknown = await work().then(
      () => undefined,
      (cause: unknown) => cause,
    );
    if (error === undefined) return;
    if (!isMeshError(error, "MESH_STORE_UNAVAILABLE")) throw error;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
