import { once } from "node:events";
import { type Clock, systemClock, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { memoryStore } from "@hearthmesh/store";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiClient } from "./api-client.js";
import type { HttpRequest } from "./http-connection.js";
import type { KeyValueDoor } from "./key-value-types.js";
import { LockClient } from "./locks.js";
import { type KeyValueHome, keyValueHome } from "./testing/key-value-home.js";

const [clock, random] = [systemClock(), systemRandom()];
let home: KeyValueHome;
let api: ApiClient;
let locks: LockClient;

beforeAll(async () => {
  home = await keyValueHome(memoryStore({ clock }));
  api = home.operator();
  locks = clientOf(api);
});
afterAll(() => home.close());

const clientOf = (door: KeyValueDoor, time: Clock = clock) =>
  new LockClient({ door, clock: time, random });

/** For the holder alone: the member's own time goes on as always. */
const newTime = () => new ManualClock({ wallMs: 0 });
const THIRD_MS = 20_000;
const TTL_MS = 60_000;
const lost = { code: "MESH_LOCK_LOST" };

describe("LockClient with the real doors", () => {
  it("has one holder at a time, shows it, and hands over to who waits", async () => {
    const first = await locks.acquire("a/lock", { holder: "attic" });
    await expect(locks.acquire("a/lock")).rejects.toMatchObject({ code: "MESH_LOCK_TAKEN" });
    expect(await locks.inspect("a/lock")).toMatchObject({
      held: { holder: "attic", token: first.token, ttlMs: 30_000 },
    });
    const waiting = locks.acquire("a/lock", { waitMs: 60_000 });
    while ((await locks.inspect("a/lock")).waiting === 0) await new Promise(setImmediate);
    await first.release();
    const second = await waiting;
    expect(second.token).toBeGreaterThan(first.token);
    const names: string[] = [];
    for await (const { name } of locks.list("a/")) names.push(name);
    expect(names).toEqual(["a/lock"]);
    await second.release();
    await second.release();
    expect((await locks.inspect("a/lock")).held).toBeNull();
  });

  it("renews in the background for longer than its time to live", async () => {
    const renewals: Promise<unknown>[] = [];
    const counting: KeyValueDoor = {
      send(request: HttpRequest) {
        const answer = api.send(request);
        if (request.path === "/api/locks/renew") {
          renewals.push(answer.then(({ body }) => once(body, "close")));
        }
        return answer;
      },
    };
    const answered = async (list: readonly Promise<unknown>[]) => {
      await list.at(-1);
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    };
    const time = newTime();
    const lock = await clientOf(counting, time).acquire("b/lock", { ttlMs: TTL_MS });
    for (let count = 1; count <= 6; count++) {
      time.pass(THIRD_MS - 1);
      expect(renewals).toHaveLength(count - 1);
      time.pass(1);
      expect(renewals).toHaveLength(count);
      await answered(renewals);
      expect(lock.lost.aborted).toBe(false);
    }
    await lock.release();
  });

  it("counts its time from a renewal when the lock came after a long wait", async () => {
    const first = await locks.acquire("w/lock");
    const paths: string[] = [];
    const noting: KeyValueDoor = {
      send(request) {
        paths.push(request.path);
        return api.send(request);
      },
    };
    const time = newTime();
    const options = { ttlMs: TTL_MS, waitMs: 600_000 };
    const waiting = clientOf(noting, time).acquire("w/lock", options);
    while ((await locks.inspect("w/lock")).waiting === 0) await new Promise(setImmediate);
    time.pass(TTL_MS);
    await first.release();
    const lock = await waiting;
    expect(paths).toEqual(["/api/locks/acquire", "/api/locks/renew"]);
    expect(lock.lost.aborted).toBe(false);
    await lock.release();
  });

  it("tells the holder when somebody else ended its hold", async () => {
    const time = newTime();
    const lock = await clientOf(api, time).acquire("c/lock", { ttlMs: TTL_MS });
    await locks.release("c/lock", lock.token);
    expect(lock.lost.aborted).toBe(false);
    const aborted = once(lock.lost, "abort");
    time.pass(THIRD_MS);
    await aborted;
    expect(lock.lost.reason).toMatchObject(lost);
    await expect(lock.release()).rejects.toMatchObject(lost);
  });

  it("counts as lost when no coordinator answers in its time", async () => {
    let isAway = false;
    const cut: KeyValueDoor = {
      send: (request) => (isAway ? nobody.send(request) : api.send(request)),
    };
    const nobody = new ApiClient({ loopbackUrl: "http://127.0.0.1:1" });
    const time = newTime();
    const options = { ttlMs: TTL_MS };
    const work = clientOf(cut, time).withLock("d/lock", options, async ({ signal }) => {
      isAway = true;
      time.pass(0.94 * TTL_MS);
      expect(signal.aborted).toBe(false);
      time.pass(0.02 * TTL_MS);
      expect(signal.reason).toMatchObject(lost);
      return "what the work gives back does not count";
    });
    await expect(work).rejects.toMatchObject(lost);
    nobody.close();
  });

  it("releases after the work, whether it went well or not", async () => {
    expect(await locks.withLock("e/lock", {}, async ({ token }) => token > 0)).toBe(true);
    const failing = locks.withLock("e/lock", {}, async () => {
      throw new Error("the work failed");
    });
    await expect(failing).rejects.toThrow("the work failed");
    expect((await locks.inspect("e/lock")).held).toBeNull();
    const stop = new AbortController();
    const work = locks.withLock("e/lock", { signal: stop.signal }, async ({ signal }) => {
      stop.abort(new Error("enough"));
      signal.throwIfAborted();
    });
    await expect(work).rejects.toThrow("enough");
    expect((await locks.inspect("e/lock")).held).toBeNull();
  });

  it("stops waiting with its signal, and leaves the queue", async () => {
    const first = await locks.acquire("f/lock");
    const stop = new AbortController();
    const waiting = locks.acquire("f/lock", { waitMs: 60_000, signal: stop.signal });
    waiting.catch(() => undefined);
    while ((await locks.inspect("f/lock")).waiting === 0) await new Promise(setImmediate);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    while ((await locks.inspect("f/lock")).waiting > 0) await new Promise(setImmediate);
    await first.release();
  });

  it("is released although the answer to the first release did not arrive", async () => {
    let isFirst = true;
    const losing: KeyValueDoor = {
      async send(request) {
        const answer = await api.send(request);
        if (request.path !== "/api/locks/release" || !isFirst) return answer;
        isFirst = false;
        answer.body.destroy(new Error("the connection broke"));
        return answer;
      },
    };
    const lock = await clientOf(losing).acquire("g/lock");
    await lock.release();
    expect(isFirst).toBe(false);
    expect((await locks.inspect("g/lock")).held).toBeNull();
  });
});

describe("a lock while coordinators come and go", () => {
  it("is kept, and released at the other one", async () => {
    const credentials = await home.credentialsOf("dora@office.dora", ["/kv:read+write+delete"]);
    const own = new ApiClient({ finder: home.finder(), credentials, clock, random });
    const time = newTime();
    const lock = await clientOf(own, time).acquire("h/lock", { ttlMs: TTL_MS });
    await own.settled();
    await home.stop(0);
    const before = own.address;
    time.pass(THIRD_MS);
    while (own.address === before) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(lock.lost.aborted).toBe(false);
    await lock.release();
    expect((await locks.inspect("h/lock")).held).toBeNull();
    await home.start(0);
    own.close();
  });
});
