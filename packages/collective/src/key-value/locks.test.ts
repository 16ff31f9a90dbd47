import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LOCK_PREFIX } from "./keys.js";
import { ENGINES, type KeyValueFixture, keyValueFixture } from "./testing/key-value-fixture.js";

vi.setConfig({ testTimeout: 60_000 });

const bytes = (text: string) => new TextEncoder().encode(text);
const code = (name: string) => expect.objectContaining({ code: name });
const SOON = { ttlMs: 30_000 };
const PATIENT = { ttlMs: 30_000, waitMs: 300_000 };

describe.each(ENGINES)("locks on %s", (engine) => {
  let f: KeyValueFixture;
  beforeEach(async () => {
    f = await keyValueFixture(engine);
  });
  afterEach(() => f.dispose());

  const queued = (count: number) =>
    vi.waitFor(
      async () => {
        const { entries } = await f.store.range({ prefix: LOCK_PREFIX });
        expect(entries).toHaveLength(count);
      },
      { timeout: 20_000 },
    );
  /** In steps, so that who waits can renew its place as it does in real time. */
  async function pass(durationMs: number): Promise<void> {
    for (let left = durationMs; left > 0; left -= 5_000) {
      await f.advance(Math.min(left, 5_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it("have one holder, who is named to the others; release frees them", async () => {
    const { service, operator } = f;
    const ann = f.person("ann", ["/kv/locks/jobs:read+write"]);
    const held = await service.acquireLock(ann, "jobs/nightly", { ...SOON, holder: "host-1" });
    expect(held).toMatchObject({ name: "jobs/nightly", holder: "host-1", ttlMs: 30_000 });
    await expect(service.acquireLock(operator, "jobs/nightly", SOON)).rejects.toMatchObject({
      code: "MESH_LOCK_TAKEN",
      message: expect.stringMatching(/host-1 \(spiffe:.*ann\) holds .* since 2026-11-21T00:00/),
      details: { principal: ann.spiffeId, holder: "host-1", sinceMs: held.sinceMs },
    });
    expect(await service.inspectLock(ann, "jobs/nightly")).toEqual({
      name: "jobs/nightly",
      held,
      waiting: 0,
    });
    await f.another().releaseLock(ann, "jobs/nightly", held.token);
    await expect(service.releaseLock(ann, "jobs/nightly", held.token)).rejects.toEqual(
      code("MESH_LOCK_LOST"),
    );
    const next = await service.acquireLock(operator, "jobs/nightly", SOON);
    expect(next.token).toBeGreaterThan(held.token);
    expect(await service.listLeases(ann)).toEqual([]);
  });

  it("are lost when their time ends; renewing keeps them", async () => {
    const { service, operator } = f;
    const held = await service.acquireLock(operator, "x", SOON);
    await f.advance(20_000);
    await f.another().renewLock(operator, "x", held.token);
    await f.advance(20_000);
    expect((await service.inspectLock(operator, "x")).held?.token).toBe(held.token);
    await f.advance(11_000);
    await queued(0);
    await expect(service.renewLock(operator, "x", held.token)).rejects.toEqual(
      code("MESH_LOCK_LOST"),
    );
    expect((await service.inspectLock(operator, "x")).held).toBeUndefined();
  });

  it("go from one to the next in the order of asking, with growing tokens", async () => {
    const { service, operator } = f;
    const first = await service.acquireLock(operator, "x", SOON);
    const order: string[] = [];
    const waiting = ["a", "b", "c"].map(async (holder, index) => {
      await queued(index + 1);
      const at = index % 2 === 0 ? service : f.another();
      const held = await at.acquireLock(operator, "x", { ...PATIENT, holder });
      order.push(holder);
      return held;
    });
    await queued(4);
    expect(await service.inspectLock(operator, "x")).toMatchObject({ waiting: 3 });
    // One that only waits neither holds it nor may act as if it did.
    const [, second] = (await f.store.range({ prefix: LOCK_PREFIX })).entries;
    await expect(service.renewLock(operator, "x", second?.createRevision ?? 0)).rejects.toEqual(
      code("MESH_LOCK_LOST"),
    );
    let last = first;
    await f.advance(1_000);
    for (const one of waiting) {
      await service.releaseLock(operator, "x", last.token);
      const next = await one;
      expect(next.token).toBeGreaterThan(last.token);
      expect(next.sinceMs).toBe(f.clock.nowMs());
      last = next;
    }
    expect(order).toEqual(["a", "b", "c"]);
  });

  it("are passed on when a holder is gone; who waits stays in line however long", async () => {
    const { service, operator } = f;
    const gone = await service.acquireLock(operator, "x", { ttlMs: 120_000 });
    const next = service.acquireLock(operator, "x", PATIENT);
    await queued(2);
    await pass(100_000);
    await queued(2);
    await pass(25_000);
    expect((await next).token).toBeGreaterThan(gone.token);
  });

  it("are not waited for longer than was said, nor by one who has left", async () => {
    const { service, operator } = f;
    await service.acquireLock(operator, "x", { ttlMs: 86_400_000 });
    const late = service.acquireLock(operator, "x", { ...SOON, waitMs: 10_000 });
    const told = expect(late).rejects.toEqual(code("MESH_LOCK_TAKEN"));
    const controller = new AbortController();
    const { signal } = controller;
    const leaver = service.acquireLock(operator, "x", { ...PATIENT, signal });
    const left = expect(leaver).rejects.toThrow("gone away");
    await queued(3);
    controller.abort(new Error("gone away"));
    await left;
    await pass(15_000);
    await told;
    await queued(1);
    expect(await service.listLeases(operator)).toHaveLength(1);
  });

  it("leave nobody waiting when the service closes", async () => {
    const { service, operator } = f;
    await service.acquireLock(operator, "x", SOON);
    const waiting = service.acquireLock(operator, "x", PATIENT);
    const told = expect(waiting).rejects.toEqual(code("MESH_STOPPING"));
    await queued(2);
    service.close();
    await told;
    await queued(1);
  });

  it("are asked for, renewed and released by who may", async () => {
    const { service, operator } = f;
    const ann = f.person("ann", ["/kv/locks/a:read+write"]);
    const bob = f.person("bob", ["/kv/locks:read"]);
    const eve = f.person("eve", ["/kv/app:all", "/locks:all", "/:all"]);
    const forbidden = code("MESH_FORBIDDEN");
    await expect(service.acquireLock(bob, "a", SOON)).rejects.toEqual(forbidden);
    await expect(service.acquireLock(ann, "b", SOON)).rejects.toEqual(forbidden);
    await expect(service.acquireLock(eve, "a", SOON)).rejects.toEqual(forbidden);
    await expect(service.inspectLock(eve, "a")).rejects.toEqual(forbidden);
    const held = await service.acquireLock(ann, "a", SOON);
    const other = await service.acquireLock(operator, "b", SOON);
    f.setGrants(bob, ["/kv/locks:read+write"]);
    const lost = code("MESH_LOCK_LOST");
    await expect(service.renewLock(bob, "a", held.token)).rejects.toEqual(lost);
    await expect(service.releaseLock(bob, "a", held.token)).rejects.toEqual(lost);
    const names = async (who: typeof ann) =>
      (await service.listLocks(who, "")).locks.map((lock) => lock.name);
    expect(await names(ann)).toEqual(["a"]);
    expect(await names(bob)).toEqual(["a", "b"]);
    await expect(names(eve)).rejects.toEqual(forbidden);
    // Who lost its grant can still let go; the operator can in any case.
    f.setGrants(ann, []);
    await expect(service.renewLock(ann, "a", held.token)).rejects.toEqual(forbidden);
    await service.releaseLock(ann, "a", held.token);
    await service.releaseLock(operator, "b", other.token);
  });

  it("are listed page by page, each with its queue; names do not run into each other", async () => {
    const { service, operator } = f;
    for (const name of ["a", "a/b", "a0", "b", "a b"]) {
      await service.acquireLock(operator, name, SOON);
    }
    const page = await service.listLocks(operator, "a", { limit: 2 });
    expect(page.locks.map((lock) => lock.name)).toEqual(["a", "a b"]);
    expect(page.more).toBe(true);
    const rest = await service.listLocks(operator, "a", { after: "a b" });
    expect(rest.locks.map((lock) => lock.name)).toEqual(["a/b", "a0"]);
    expect((await service.inspectLock(operator, "a")).waiting).toBe(0);
  });

  it.each(["", "/a", "a//b", "a/", "\u0001", "x".repeat(256)])(
    "refuses the name %j",
    async (name) => {
      await expect(f.service.acquireLock(f.operator, name, SOON)).rejects.toEqual(
        code("MESH_STORE_KEY_INVALID"),
      );
    },
  );

  it("refuse a time, a wait and a holder outside of the limits", async () => {
    const bad = code("MESH_BAD_REQUEST");
    const ask = (options: object) =>
      f.service.acquireLock(f.operator, "x", { ...SOON, ...options });
    await expect(ask({ ttlMs: 10 })).rejects.toEqual(bad);
    await expect(ask({ ttlMs: 86_400_001 })).rejects.toEqual(bad);
    await expect(ask({ waitMs: 300_001 })).rejects.toEqual(bad);
    await expect(ask({ holder: "a\nb" })).rejects.toEqual(bad);
    await expect(ask({ holder: "x".repeat(129) })).rejects.toEqual(bad);
    expect((await f.service.inspectLock(f.operator, "x")).held).toBeUndefined();
  });

  it("fence a late holder's writes, in puts and transactions", async () => {
    const { service, operator } = f;
    const old = await service.acquireLock(operator, "x", SOON);
    const fence = { lock: "x", token: old.token };
    await service.put(operator, "k", bytes("old"), { fence });
    const put = { type: "put", key: "k", value: bytes("older") } as const;
    await service.transact(operator, { success: [put], fence });
    await f.advance(31_000);
    await queued(0);
    const lost = code("MESH_LOCK_LOST");
    await expect(service.put(operator, "k", bytes("late"), { fence })).rejects.toEqual(lost);
    const now = await service.acquireLock(operator, "x", SOON);
    await service.put(operator, "k", bytes("new"), { fence: { lock: "x", token: now.token } });
    await expect(service.put(operator, "k", bytes("late"), { fence })).rejects.toEqual(lost);
    const failing = { compare: [{ key: "k", target: "version", is: "=", value: 99 }] } as const;
    await expect(
      service.transact(operator, { ...failing, success: [], failure: [put], fence }),
    ).rejects.toEqual(lost);
    const { entry } = await service.get(operator, "k");
    expect(new TextDecoder().decode(entry.value)).toBe("new");
  });

  it("fence a write that was under way when the lock was lost", async () => {
    const { operator, store } = f;
    const held = await f.service.acquireLock(operator, "x", SOON);
    // The lock goes between the look at its queue and the write.
    const slow = new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "transact") return value.bind(target);
        return async (transaction: object) => {
          await f.service.releaseLock(operator, "x", held.token);
          return value.call(target, transaction);
        };
      },
    });
    const late = f.another({ store: slow });
    const fence = { lock: "x", token: held.token };
    await expect(late.put(operator, "k", bytes("late"), { fence })).rejects.toEqual(
      code("MESH_LOCK_LOST"),
    );
    await expect(f.service.get(operator, "k")).rejects.toEqual(code("MESH_KV_NOT_FOUND"));
  });

  it("never have two holders, whoever asks where and whoever dies", async () => {
    const services = [f.service, f.another(), f.another()];
    const log: { token: number; died: boolean }[] = [];
    let inside = 0;
    const contenders = Array.from({ length: 12 }, async (_, index) => {
      const at = services[index % services.length] ?? f.service;
      for (let round = 0; round < 3; round++) {
        const held = await at.acquireLock(f.operator, "x", PATIENT);
        expect(++inside).toBe(1);
        const fence = { lock: "x", token: held.token };
        const died = (index + round) % 5 === 0;
        await at.put(f.operator, "last", bytes(String(held.token)), { fence });
        log.push({ token: held.token, died });
        inside--;
        // One that died neither renews nor releases: the next waits until its lease has ended.
        if (!died) await at.releaseLock(f.operator, "x", held.token);
      }
    });
    let over = false;
    const all = Promise.all(contenders).finally(() => {
      over = true;
    });
    while (!over) await pass(5_000);
    await all;
    const tokens = log.map(({ token }) => token);
    expect(tokens).toHaveLength(36);
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    const last = await f.service.get(f.operator, "last");
    expect(new TextDecoder().decode(last.entry.value)).toBe(String(tokens.at(-1)));
  });
});
