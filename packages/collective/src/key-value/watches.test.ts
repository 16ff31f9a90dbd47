import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KV_WATCHES_PER_OWNER_MAX } from "./limits.js";
import { ENGINES, type KeyValueFixture, keyValueFixture } from "./testing/key-value-fixture.js";
import type { KeyChange, KeyWatch } from "./types.js";

vi.setConfig({ testTimeout: 60_000 });

const bytes = (text: string) => new TextEncoder().encode(text);
const code = (name: string) => expect.objectContaining({ code: name });

async function take(watch: KeyWatch, count: number): Promise<KeyChange[]> {
  const changes: KeyChange[] = [];
  for await (const change of watch.changes) {
    changes.push(change);
    if (changes.length === count) break;
  }
  return changes;
}

const namesOf = (changes: readonly KeyChange[]) =>
  changes.map(({ events }) =>
    events.map((event) => (event.type === "put" ? event.entry.key : `-${event.key}`)),
  );

describe.each(ENGINES)("watches of users on %s", (engine) => {
  let f: KeyValueFixture;
  beforeEach(async () => {
    f = await keyValueFixture(engine);
  });
  afterEach(() => f.dispose());

  it("tell every change once, whole, from a revision on", async () => {
    const { service, operator } = f;
    const first = await service.put(operator, "app/a", bytes("1"));
    await service.transact(operator, {
      success: [
        { type: "put", key: "app/b", value: bytes("1") },
        { type: "put", key: "app/c", value: bytes("1") },
        { type: "put", key: "other", value: bytes("1") },
      ],
    });
    await service.deletePrefix(operator, "app/");
    const watch = await service.watch(
      operator,
      { prefix: "app/" },
      { fromRevision: first.revision },
    );
    expect(watch.revision).toBe(first.revision - 1);
    expect(namesOf(await take(watch, 3))).toEqual([
      ["app/a"],
      ["app/b", "app/c"],
      ["-app/a", "-app/b", "-app/c"],
    ]);
    watch.close();
    const one = await service.watch(operator, { key: "app/a" }, { fromRevision: first.revision });
    expect(namesOf(await take(one, 2))).toEqual([["app/a"], ["-app/a"]]);
    one.close();
  });

  it("begin now, and end quietly with their signal", async () => {
    const { service, operator } = f;
    await service.put(operator, "a", bytes("before"));
    const controller = new AbortController();
    const { signal } = controller;
    const watch = await service.watch(operator, { prefix: "" }, { signal });
    const { revision } = await service.put(operator, "a", bytes("after"));
    expect(await take(watch, 1)).toMatchObject([{ revision }]);
    const quiet = await service.watch(operator, { prefix: "" }, { signal });
    const ended = take(quiet, 1);
    controller.abort();
    expect(await ended).toEqual([]);
    quiet.close();
    watch.close();
  });

  it("show what the caller may read at that moment, and end with its certificate", async () => {
    const { service, operator } = f;
    const ann = f.person("ann", ["/kv/app:read", "!/kv/app/secret:read"]);
    const watch = await service.watch(ann, { prefix: "" });
    const changes = watch.changes[Symbol.asyncIterator]();
    await service.put(operator, "app/secret", bytes("x"));
    await service.put(operator, "apple", bytes("x"));
    await service.put(operator, "app/x", bytes("1"));
    expect((await changes.next()).value).toMatchObject({ events: [{ entry: { key: "app/x" } }] });
    f.setGrants(ann, ["/kv/other:read"]);
    await service.put(operator, "app/x", bytes("2"));
    await service.put(operator, "other", bytes("2"));
    expect((await changes.next()).value).toMatchObject({ events: [{ entry: { key: "other" } }] });
    f.revoke(ann);
    expect(() => watch.check()).toThrow(code("MESH_CERT_REVOKED"));
    await service.put(operator, "other", bytes("3"));
    await expect(changes.next()).rejects.toEqual(code("MESH_CERT_REVOKED"));
    watch.close();
  });

  it("refuse who may read nothing there, and a start that is gone", async () => {
    const { service, operator, store } = f;
    const ann = f.person("ann", ["/kv/app:read"]);
    const forbidden = code("MESH_FORBIDDEN");
    await expect(service.watch(ann, { key: "other" })).rejects.toEqual(forbidden);
    await expect(service.watch(ann, { prefix: "b" })).rejects.toEqual(forbidden);
    const { revision } = await service.put(operator, "app/a", bytes("1"));
    await service.put(operator, "app/a", bytes("2"));
    await store.compact(revision + 1);
    const watch = await service.watch(ann, { prefix: "app/" }, { fromRevision: revision });
    await expect(take(watch, 1)).rejects.toEqual(code("MESH_STORE_COMPACTED"));
    watch.close();
    for (const fromRevision of [0, -1, 1.5]) {
      await expect(service.watch(ann, { key: "app/a" }, { fromRevision })).rejects.toEqual(
        code("MESH_BAD_REQUEST"),
      );
    }
  });

  it("are limited for each identity, and give their place back", async () => {
    const { service } = f;
    const ann = f.person("ann", ["/kv:read"]);
    const bob = f.person("bob", ["/kv:read"]);
    const open: KeyWatch[] = [];
    for (let i = 0; i < KV_WATCHES_PER_OWNER_MAX; i++) {
      open.push(await service.watch(ann, { prefix: "" }));
    }
    await expect(service.watch(ann, { prefix: "" })).rejects.toEqual(code("MESH_LIMIT"));
    (await service.watch(bob, { prefix: "" })).close();
    open[0]?.close();
    open[0]?.close();
    open.push(await service.watch(ann, { prefix: "" }));
    await expect(service.watch(ann, { prefix: "" })).rejects.toEqual(code("MESH_LIMIT"));
    for (const watch of open) watch.close();
  });

  it("end when the service closes, which takes no new ones", async () => {
    const { service, operator } = f;
    const watch = await service.watch(operator, { prefix: "" });
    const ended = take(watch, 1);
    service.close();
    expect(await ended).toEqual([]);
    await expect(service.watch(operator, { prefix: "" })).rejects.toEqual(code("MESH_STOPPING"));
  });

  it("may be one request that waits for a change", async () => {
    const { service, operator } = f;
    const { revision } = await service.put(operator, "a", bytes("1"));
    const since = { after: revision - 1, waitMs: 1_000 };
    expect(await service.waitForChange(operator, { key: "a" }, since)).toBe(revision);
    const waiting = service.waitForChange(
      operator,
      { key: "a" },
      { after: revision, waitMs: 60_000 },
    );
    await service.put(operator, "b", bytes("1"));
    const { revision: deleted } = await service.delete(operator, "a");
    expect(await waiting).toBe(deleted);
    const late = service.waitForChange(operator, { key: "a" }, { after: deleted, waitMs: 5_000 });
    await vi.waitFor(
      async () => {
        await f.advance(5_000);
        expect(await Promise.race([late, Promise.resolve("waits")])).toBeUndefined();
      },
      { timeout: 20_000 },
    );
    await expect(
      service.waitForChange(operator, { key: "a" }, { after: 1, waitMs: 301_000 }),
    ).rejects.toEqual(code("MESH_BAD_REQUEST"));
  });
});
