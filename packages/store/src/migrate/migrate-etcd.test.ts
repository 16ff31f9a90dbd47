import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openEtcdStore } from "../etcd/etcd-store.js";
import { put } from "../operations.js";
import { EtcdCluster, whyNoEtcd } from "../testing/etcd-process.js";
import { sqliteSubject } from "../testing/index.js";
import { migrateStore } from "./migrate-store.js";

/** Real processes on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const missing = whyNoEtcd();
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function open() {
  const from = await sqliteSubject();
  ends.push(() => from.dispose());
  const back = await sqliteSubject();
  ends.push(() => back.dispose());
  const cluster = await EtcdCluster.start();
  ends.push(() => cluster.dispose());
  const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
  const { endpoints } = cluster;
  const to = await openEtcdStore({ endpoints, keyPrefix: "test/", ...tools });
  ends.push(() => to.close());
  return { from: from.store, to, back: back.store };
}

const title = `migrateStore and etcd${missing === undefined ? "" : ` (skipped: ${missing})`}`;

describe.skipIf(missing !== undefined)(title, () => {
  it("moves a home from the embedded engine to etcd and back", async () => {
    const { from, to, back } = await open();
    const large = new Uint8Array(1 << 20).fill(7);
    const keys = Array.from({ length: 600 }, (_, index) => `k/${index}`);
    for (const key of keys) await from.transact({ success: [put(key, Buffer.from(key))] });
    await from.transact({ success: [put("large", large), put("😀", Buffer.from(""))] });
    const lease = await from.grantLease(600_000);
    await from.transact({ success: [put("leased", Buffer.from("1"), lease.id)] });
    const { revision } = await from.status();

    const there = await migrateStore({ from, to });
    expect(there).toMatchObject({ keys: 602, leases: 1, leasedKeys: 1, revision });
    expect((await to.get("large"))?.value).toEqual(large);
    expect((await to.get("k/0"))?.createRevision).toBeGreaterThan(revision);
    const leased = await to.get("leased");
    expect((await to.findLease(leased?.leaseId ?? 1))?.ttlMs).toBe(600_000);

    const again = await migrateStore({ from: to, to: back });
    expect(again).toMatchObject({ keys: 602, leases: 1, sha256: there.sha256 });
    expect((await back.get("k/0"))?.createRevision).toBeGreaterThan(there.revision);
  });
});
