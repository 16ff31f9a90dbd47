/** Three coordinators, each with a connection of its own to one etcd, and real time. */
import { silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { openEtcdStore, type Store } from "@hearthmesh/store";
import { EtcdCluster, whyNoEtcd } from "@hearthmesh/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { KeyValueService } from "./key-value-service.js";
import { personOf, principalOf } from "./testing/key-value-fixture.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const COORDINATORS = 3;
const WAIT = { timeout: 60_000, interval: 50 };
const bytes = (text: string) => new TextEncoder().encode(text);
const code = (name: string) => expect.objectContaining({ code: name });
const missing = whyNoEtcd();
const clock = systemClock();
const random = systemRandom();

describe.skipIf(missing !== undefined)(`key-value on etcd${missing ? ` (${missing})` : ""}`, () => {
  const operator = principalOf("coordinator", "home");
  const ann = personOf("ann", ["/kv/app:all", "!/kv/app/secret:all", "/kv/locks/app:read+write"]);
  let cluster: EtcdCluster;
  let stores: Store[];
  let services: KeyValueService[];
  let at: (index: number) => KeyValueService;

  beforeAll(async () => {
    cluster = await EtcdCluster.start();
  });
  afterAll(() => cluster.dispose());
  beforeEach(async () => {
    const keyPrefix = `/kv-test/${Buffer.from(random.bytes(8)).toString("hex")}/`;
    const common = { keyPrefix, clock, random, log: silentLogger };
    stores = await Promise.all(
      Array.from({ length: COORDINATORS }, () =>
        openEtcdStore({ endpoints: cluster.endpoints, ...common }),
      ),
    );
    const policy = {
      check: () => undefined,
      grantsOf: ({ nodeId }: { nodeId: string }) => (nodeId === ann.nodeId ? ann.grants : []),
    };
    services = stores.map(
      (store) => new KeyValueService({ store, policy, clock, log: silentLogger }),
    );
    at = (index) => {
      const service = services[index % COORDINATORS];
      if (service === undefined) throw new Error("no service");
      return service;
    };
  });
  afterEach(async () => {
    for (const service of services) service.close();
    for (const store of stores) await store.close();
  });

  it("shows at each coordinator what was written at another, within the grants", async () => {
    const made = await at(0).put(ann, "app/a", bytes("1"), { ifNoneMatch: "*" });
    await at(1).put(operator, "app/secret", bytes("1"));
    await at(1).put(operator, "other", bytes("1"));
    const next = await at(2).put(ann, "app/a", bytes("2"), { ifMatch: made.revision });
    expect(next).toMatchObject({ version: 2, createRevision: made.revision });
    const read = await at(0).get(ann, "app/a");
    expect(read.entry).toMatchObject({ modRevision: next.revision, version: 2 });
    const { entries } = await at(1).list(ann, "");
    expect(entries.map((entry) => entry.key)).toEqual(["app/a"]);
    await expect(at(1).deletePrefix(ann, "app/")).rejects.toEqual(code("MESH_FORBIDDEN"));
    const stale = at(2).put(ann, "app/a", bytes("3"), { ifMatch: made.revision });
    await expect(stale).rejects.toEqual(code("MESH_KV_CHANGED"));
    expect(await at(1).deletePrefix(operator, "app/")).toMatchObject({ deleted: 2 });
  });

  it("tells a watch at one coordinator what a transaction at another changed, whole", async () => {
    const watch = await at(0).watch(ann, { prefix: "app/" });
    const { revision } = await at(1).transact(operator, {
      compare: [{ key: "app/a", target: "version", is: "=", value: 0 }],
      success: ["app/a", "app/b", "app/secret", "other"].map((key) => ({
        type: "put",
        key,
        value: bytes(key),
      })),
    });
    for await (const change of watch.changes) {
      expect(change.revision).toBe(revision);
      const names = change.events.map((event) => event.type === "put" && event.entry.key);
      expect([...names].sort()).toEqual(["app/a", "app/b"]);
      break;
    }
    watch.close();
  });

  it("keeps a lease alive from another coordinator, and ends it without", async () => {
    const { leaseId } = await at(0).grantLease(ann, 2_000);
    await at(0).put(ann, "app/a", bytes("1"), { leaseId });
    await expect(at(1).keepLeaseAlive(principalOf("person", "bob"), leaseId)).rejects.toEqual(
      code("MESH_STORE_LEASE_UNKNOWN"),
    );
    expect(await at(1).keepLeaseAlive(ann, leaseId)).toMatchObject({ leaseId, ttlMs: 2_000 });
    const gone = async () => {
      await expect(at(2).get(ann, "app/a")).rejects.toEqual(code("MESH_KV_NOT_FOUND"));
      await expect(at(2).keepLeaseAlive(ann, leaseId)).rejects.toEqual(
        code("MESH_STORE_LEASE_UNKNOWN"),
      );
    };
    await vi.waitFor(gone, WAIT);
    await at(1).put(ann, "app/b", bytes("1"), { ttlMs: 1_000 });
    await vi.waitFor(async () => {
      expect((await at(0).list(ann, "")).entries).toEqual([]);
      expect(await at(0).listLeases(ann)).toEqual([]);
    }, WAIT);
  });

  it("has one holder of a lock, whoever asks where and whoever dies", async () => {
    const tokens: number[] = [];
    let inside = 0;
    const contend = async (index: number, dies: boolean) => {
      const ttlMs = dies ? 3_000 : 60_000;
      const options = { ttlMs, waitMs: 120_000, holder: `host-${index}` };
      const held = await at(index).acquireLock(ann, "app/job", options);
      // One that dies is away from here on; the others count who is inside.
      if (!dies) expect(++inside).toBe(1);
      const fence = { lock: "app/job", token: held.token };
      await at(index).put(ann, "app/last", bytes(String(held.token)), { fence });
      tokens.push(held.token);
      if (dies) return;
      inside--;
      await at(index + 1).releaseLock(ann, "app/job", held.token);
    };
    const contenders = Array.from({ length: 9 }, async (_, index) => {
      // On a machine that stands still for seconds, who has a short time may lose it earlier.
      if (index % 4 === 0) await contend(index, true).catch(onlyLost);
      for (let round = 0; round < 3; round++) await contend(index, false);
    });
    await Promise.all(contenders);
    expect(tokens.length).toBeGreaterThanOrEqual(27);
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    const first = { lock: "app/job", token: tokens[0] ?? 0 };
    const late = at(0).put(ann, "app/last", bytes("late"), { fence: first });
    await expect(late).rejects.toEqual(code("MESH_LOCK_LOST"));
    const { entry } = await at(0).get(ann, "app/last");
    expect(new TextDecoder().decode(entry.value)).toBe(String(tokens.at(-1)));
  });
});

function onlyLost(error: unknown): void {
  expect(error).toEqual(code("MESH_LOCK_LOST"));
}
