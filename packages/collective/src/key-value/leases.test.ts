import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ENGINES, type KeyValueFixture, keyValueFixture } from "./testing/key-value-fixture.js";

vi.setConfig({ testTimeout: 60_000 });

const bytes = (text: string) => new TextEncoder().encode(text);
const code = (name: string) => expect.objectContaining({ code: name });

describe.each(ENGINES)("leases of users on %s", (engine) => {
  let f: KeyValueFixture;
  beforeEach(async () => {
    f = await keyValueFixture(engine);
  });
  afterEach(() => f.dispose());

  const keys = async () => (await f.service.list(f.operator, "")).entries.map((entry) => entry.key);

  it("end with their keys when nobody renews them, from any coordinator", async () => {
    const { service, operator } = f;
    const { leaseId } = await service.grantLease(operator, 10_000);
    await service.put(operator, "a", bytes("1"), { leaseId });
    await service.put(operator, "b", bytes("1"), { leaseId });
    await f.advance(9_000);
    await f.another().keepLeaseAlive(operator, leaseId);
    await f.advance(9_000);
    expect(await keys()).toEqual(["a", "b"]);
    await f.advance(2_000);
    await vi.waitFor(async () => expect(await keys()).toEqual([]), { timeout: 20_000 });
    await expect(service.keepLeaseAlive(operator, leaseId)).rejects.toEqual(
      code("MESH_STORE_LEASE_UNKNOWN"),
    );
    await expect(service.put(operator, "a", bytes("2"), { leaseId })).rejects.toEqual(
      code("MESH_STORE_LEASE_UNKNOWN"),
    );
    expect(await service.listLeases(operator)).toEqual([]);
  });

  it("delete their keys at once when they are revoked", async () => {
    const { service, operator } = f;
    const { leaseId } = await service.grantLease(operator, 10_000);
    const put = { type: "put", key: "a", value: bytes("1"), leaseId } as const;
    await service.transact(operator, { success: [put] });
    await service.put(operator, "free", bytes("1"));
    await service.revokeLease(operator, leaseId);
    expect(await keys()).toEqual(["free"]);
  });

  it("are nobody else's: another one finds no such lease", async () => {
    const { service } = f;
    const ann = f.person("ann", ["/kv:all"]);
    const bob = f.person("bob", ["/kv:all"]);
    const { leaseId } = await service.grantLease(ann, 60_000);
    await service.put(ann, "a", bytes("1"), { leaseId });
    const unknown = code("MESH_STORE_LEASE_UNKNOWN");
    await expect(service.keepLeaseAlive(bob, leaseId)).rejects.toEqual(unknown);
    await expect(service.revokeLease(bob, leaseId)).rejects.toEqual(unknown);
    await expect(service.put(bob, "b", bytes("1"), { leaseId })).rejects.toEqual(unknown);
    const put = { type: "put", key: "b", value: bytes("1"), leaseId } as const;
    await expect(service.transact(bob, { success: [], failure: [put] })).rejects.toEqual(unknown);
    await expect(service.keepLeaseAlive(bob, 987_654)).rejects.toEqual(unknown);
    expect(await service.listLeases(bob)).toEqual([]);
    expect(await service.listLeases(ann)).toMatchObject([{ leaseId, owner: ann.spiffeId }]);
    expect(await service.listLeases(f.operator)).toHaveLength(1);
    // A lease that the member itself took is nobody's here, not even an operator's.
    const own = await f.store.grantLease(60_000);
    await expect(service.revokeLease(f.operator, own.id)).rejects.toEqual(unknown);
    expect(await keys()).toEqual(["a"]);
  });

  it("are for those who may write something", async () => {
    const reader = f.person("ann", ["/kv/app:read", "/:all"]);
    await expect(f.service.grantLease(reader, 60_000)).rejects.toEqual(code("MESH_FORBIDDEN"));
  });

  it("have a time within the limits", async () => {
    for (const ttlMs of [0, 999, 1000.5, Number.NaN, 32 * 86_400_000]) {
      await expect(f.service.grantLease(f.operator, ttlMs)).rejects.toEqual(
        code("MESH_BAD_REQUEST"),
      );
    }
  });

  it("of a put with a time: one for each, gone with the next write", async () => {
    const { service, operator } = f;
    const first = await service.put(operator, "a", bytes("1"), { ttlMs: 10_000 });
    expect(await service.listLeases(operator)).toMatchObject([
      { leaseId: first.leaseId, purpose: "key" },
    ]);
    await expect(
      service.put(operator, "b", bytes("1"), { leaseId: first.leaseId }),
    ).rejects.toEqual(code("MESH_BAD_REQUEST"));
    const second = await service.put(operator, "a", bytes("2"), { ttlMs: 20_000 });
    expect(await service.listLeases(operator)).toMatchObject([{ leaseId: second.leaseId }]);
    await f.advance(11_000);
    expect(await keys()).toEqual(["a"]);
    await f.advance(10_000);
    await vi.waitFor(async () => expect(await keys()).toEqual([]), { timeout: 20_000 });
    await service.put(operator, "a", bytes("3"), { ttlMs: 10_000 });
    await service.put(operator, "a", bytes("4"));
    expect(await service.listLeases(operator)).toEqual([]);
    await f.advance(11_000);
    expect(await keys()).toEqual(["a"]);
    await service.put(operator, "b", bytes("1"), { ttlMs: 10_000 });
    await service.delete(operator, "b");
    expect(await service.listLeases(operator)).toEqual([]);
  });

  it("leaves no lease behind when the put was refused", async () => {
    const { service, operator } = f;
    await service.put(operator, "a", bytes("1"));
    await expect(
      service.put(operator, "a", bytes("2"), { ttlMs: 10_000, ifNoneMatch: "*" }),
    ).rejects.toEqual(code("MESH_KV_CHANGED"));
    expect(await service.listLeases(operator)).toEqual([]);
    await expect(
      service.put(operator, "a", bytes("2"), { ttlMs: 10_000, leaseId: 5 }),
    ).rejects.toEqual(code("MESH_BAD_REQUEST"));
  });
});
