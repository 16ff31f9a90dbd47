import { isMeshError, limits, MeshError, silentLogger, systemRandom } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/core/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { jsonValue, parseJsonValue, put } from "../operations.js";
import type { StoreUnderTest } from "../testing/harness.js";
import { memorySubject, sqliteSubject } from "../testing/index.js";
import type { Store } from "../types.js";
import { Election, type ElectionOptions, type ElectionState } from "./election.js";
import { ELECTION_EPOCH_KEY, ELECTION_LEADER_KEY } from "./leader-record.js";
import { ELECTION_DATA_BYTES_MAX } from "./limits.js";

/** Every write of one of the engines waits for the disk, which may be slow and busy. */
vi.setConfig({ testTimeout: 60_000 });

const LEASE_MS = 3000;
const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

function candidate(store: Store, nodeId: string, rest: Partial<ElectionOptions> = {}) {
  const clock = new ManualClock();
  const election = new Election({
    store,
    nodeId,
    candidate: () => ({ name: `name of ${nodeId}` }),
    leaseTimeMs: LEASE_MS,
    clock,
    random: systemRandom(),
    log: silentLogger,
    ...rest,
  });
  open.push(() => election.stop());
  return { election, clock };
}

/** The same store, but for some methods. */
function altered(store: Store, methods: Partial<Store>): Store {
  const names = ["get", "range", "transact", "grantLease", "watch"] as const;
  const bound = names.map((name) => [name, store[name].bind(store)] as const);
  return { ...(Object.fromEntries(bound) as unknown as Store), ...methods };
}

/** As if the news of others did not come in time. */
function withoutWatch(store: Store): Store {
  return altered(store, {
    watch: () => ({
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
    }),
  });
}

/** Until it is so; the clocks of the candidates move meanwhile, in small pieces. */
async function until(isSo: () => boolean, ...clocks: ManualClock[]): Promise<void> {
  while (!isSo()) {
    for (const clock of clocks) clock.pass(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const hasCode = (code: string) => (error: unknown) => isMeshError(error) && error.code === code;

describe.each([
  ["memory", memorySubject],
  ["sqlite", () => sqliteSubject()],
])("Election on %s", (_engine, openSubject: () => Promise<StoreUnderTest>) => {
  async function subject(): Promise<StoreUnderTest> {
    const opened = await openSubject();
    open.push(() => opened.dispose());
    return opened;
  }

  it("leads on an empty store when it has started, and says so in the store", async () => {
    const { store } = await subject();
    const { election } = candidate(store, "a");
    const changes: ElectionState[] = [];
    election.onChange((state) => changes.push(state));
    expect(() => election.requireLeading()).toThrow(/does not lead/);
    await election.start();
    const state = {
      role: "leader",
      epoch: 1,
      leader: { nodeId: "a", epoch: 1, data: { name: "name of a" } },
    };
    expect(election.state).toEqual(state);
    expect(changes).toEqual([state]);
    expect(election.isLeading()).toBe(true);
    expect(election.requireLeading()).toBe(1);
    const entry = await store.get(ELECTION_LEADER_KEY);
    expect(parseJsonValue(entry?.value ?? new Uint8Array())).toMatchObject(state.leader);
    expect(entry?.leaseId).not.toBe(0);
    expect(election.guard()).toMatchObject({ key: ELECTION_LEADER_KEY, value: entry?.modRevision });
  });

  it("goes on with the epochs of a home from before the election", async () => {
    const { store } = await subject();
    await store.transact({ success: [put(ELECTION_EPOCH_KEY, Buffer.from("41"))] });
    const { election } = candidate(store, "a");
    await election.start();
    expect(election.state.epoch).toBe(42);
    expect(Buffer.from((await store.get(ELECTION_EPOCH_KEY))?.value ?? []).toString()).toBe("42");
  });

  it("follows who leads already, and takes over when that one resigns", async () => {
    const { store } = await subject();
    const first = candidate(store, "a");
    await first.election.start();
    const second = candidate(store, "b");
    await second.election.start();
    expect(second.election.state).toEqual({ ...first.election.state, role: "follower" });
    expect(second.election.isLeading()).toBe(false);
    expect(() => second.election.guard()).toThrow(
      expect.objectContaining({ details: { leader: first.election.state.leader } }),
    );
    await first.election.stop();
    expect(first.election.isLeading()).toBe(false);
    await until(() => second.election.isLeading(), second.clock);
    expect(second.election.state.epoch).toBe(2);
  });

  it("steps down when it is asked to, and stands again when nobody else does", async () => {
    const { store } = await subject();
    const first = candidate(store, "a");
    await first.election.start();
    const second = candidate(store, "b");
    await second.election.start();
    first.election.resign(LEASE_MS);
    expect(first.election.isLeading()).toBe(false);
    await until(() => second.election.isLeading(), second.clock);
    // A follower has nothing to resign from.
    first.election.resign(1e9);
    await second.election.stop();
    await until(() => first.election.isLeading(), first.clock);
    expect(first.election.state.epoch).toBe(3);
    first.election.resign(LEASE_MS / 2);
    await until(() => first.election.isLeading(), first.clock);
    expect(first.election.state.epoch).toBe(4);
  });

  it("gives its lease back at the second try when the store was busy at the first", async () => {
    const { store } = await subject();
    let refused = 0;
    const busy = altered(store, {
      grantLease: async (ttlMs) => {
        const lease = await store.grantLease(ttlMs);
        const revoke = async () => {
          if (refused++ === 0) throw new MeshError("MESH_STORE_UNAVAILABLE");
          await lease.revoke();
        };
        const { id, ttlMs: grantedMs } = lease;
        return { id, ttlMs: grantedMs, keepAlive: () => lease.keepAlive(), revoke };
      },
    });
    const a = candidate(busy, "a");
    const b = candidate(store, "b");
    await a.election.start();
    await b.election.start();
    a.election.resign(4 * LEASE_MS);
    // Only its own clock moves, and by less than a lease: the key does not go by itself.
    for (let pass = 0; pass < 20; pass++) {
      a.clock.pass(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => b.election.state.role === "leader", b.clock);
    expect(refused).toBe(2);
  });

  it("keeps leading for as long as it renews", async () => {
    const opened = await subject();
    const { election, clock } = candidate(opened.store, "a");
    await election.start();
    for (let round = 0; round < 12; round++) {
      clock.pass(LEASE_MS / 5);
      await opened.advance(LEASE_MS / 5);
      await new Promise((resolve) => setImmediate(resolve));
      expect(election.isLeading()).toBe(true);
    }
    expect(election.state.epoch).toBe(1);
  });

  it("stopped like by SIGSTOP, it does not act when it goes on, and its writes fail", async () => {
    const opened = await subject();
    const { store } = opened;
    const old = candidate(withoutWatch(store), "a");
    const other = candidate(store, "b");
    await old.election.start();
    await other.election.start();
    const fenced = old.election.fence();
    const guard = old.election.guard();
    await opened.advance(LEASE_MS);
    await until(() => other.election.isLeading(), other.clock);
    // Its clock stands still: by its own account the lease lives. The guard knows better.
    expect(old.election.requireLeading()).toBe(1);
    await expect(fenced.transact({ success: [put("x", jsonValue(1))] })).rejects.toSatisfy(
      hasCode("MESH_EPOCH_OLD"),
    );
    expect(await store.get("x")).toBeUndefined();
    expect(old.election.isLeading()).toBe(false);
    await until(() => old.election.state.leader?.nodeId === "b", old.clock);
    await expect(fenced.transact({ success: [] })).rejects.toSatisfy(hasCode("MESH_NOT_LEADER"));
    old.election.fenced(guard);
    expect(old.election.state).toMatchObject({ role: "follower", epoch: 2 });
  });

  it("takes over its own key at once after a restart", async () => {
    const opened = await subject();
    await candidate(opened.store, "a").election.start();
    // The first is gone with its process: it gives nothing back.
    open.length = 1;
    await opened.reopen();
    const again = candidate(opened.store, "a");
    await again.election.start();
    expect(again.election.state).toMatchObject({ role: "leader", epoch: 2 });
  });

  it("takes over from a suspected leader without waiting; the old one is fenced", async () => {
    const { store } = await subject();
    const old = candidate(store, "a");
    const other = candidate(store, "b");
    await old.election.start();
    await other.election.start();
    const guard = old.election.guard();
    other.election.suspect("nobody");
    other.election.suspect("a");
    await until(() => other.election.isLeading());
    expect(other.election.state.epoch).toBe(2);
    const late = store.transact({ guard, success: [put("x", jsonValue(1))] });
    await expect(late).rejects.toSatisfy(hasCode("MESH_EPOCH_OLD"));
    await until(() => old.election.state.leader?.nodeId === "b", old.clock);
    expect(old.election.isLeading()).toBe(false);
    await other.election.fence().transact({ success: [put("x", jsonValue(2))] });
  });

  it("gives a second process with its identity the lead, once", async () => {
    const { store } = await subject();
    const first = candidate(store, "a");
    await first.election.start();
    const twin = candidate(store, "a");
    await twin.election.start();
    await until(() => twin.election.isLeading() && !first.election.isLeading(), first.clock);
    for (let round = 0; round < 20; round++) {
      first.clock.pass(50);
      twin.clock.pass(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(twin.election.state).toMatchObject({ role: "leader", epoch: 2 });
    expect(first.election.state.role).toBe("follower");
  });

  it("does not lead by a key that somebody deleted or that nobody can read", async () => {
    const { store } = await subject();
    const { election, clock } = candidate(store, "a");
    await election.start();
    await store.transact({ success: [{ type: "delete", key: ELECTION_LEADER_KEY }] });
    await until(() => election.state.epoch === 2 && election.isLeading(), clock);
    await store.transact({ success: [put(ELECTION_LEADER_KEY, Buffer.from("{]"))] });
    await until(() => election.state.epoch === 3 && election.isLeading(), clock);
  });

  it("makes its watch again when its place in the history was compacted away", async () => {
    const { store } = await subject();
    const first = candidate(store, "a");
    const second = candidate(store, "b");
    await first.election.start();
    await second.election.start();
    for (let round = 0; round < 3; round++) {
      const { revision } = await store.transact({ success: [put("noise", jsonValue(round))] });
      await store.compact(revision);
    }
    await first.election.stop();
    await store.compact((await store.status()).revision);
    await until(() => second.election.isLeading(), second.clock);
  });
});

describe("Election", () => {
  async function memory(): Promise<StoreUnderTest> {
    const opened = await memorySubject();
    open.push(() => opened.dispose());
    return opened;
  }

  it("never takes an epoch that another gave meanwhile", async () => {
    const { store } = await memory();
    let raced = false;
    const racing = altered(store, {
      async transact(transaction) {
        if (!raced) await store.transact({ success: [put(ELECTION_EPOCH_KEY, Buffer.from("7"))] });
        raced = true;
        return await store.transact(transaction);
      },
    });
    const { election, clock } = candidate(racing, "a");
    void election.start();
    await until(() => election.isLeading(), clock);
    expect(election.state.epoch).toBe(8);
  });

  it("starts after one lease time also when the store does not answer, and tries on", async () => {
    const { store } = await memory();
    let isDown = true;
    const down = async <T>(work: () => Promise<T>): Promise<T> => {
      if (isDown) throw new MeshError("MESH_STORE_UNAVAILABLE");
      return await work();
    };
    const failing = altered(store, {
      range: (...rest) => down(() => store.range(...rest)),
      grantLease: (ttlMs) => down(() => store.grantLease(ttlMs)),
    });
    const { election, clock } = candidate(failing, "a");
    const started = election.start();
    clock.pass(LEASE_MS);
    await started;
    expect(election.state).toEqual({ role: "follower", epoch: 0 });
    isDown = false;
    await until(() => election.isLeading(), clock);
  });

  it("does not lead on a counter that is no number", async () => {
    const { store } = await memory();
    await store.transact({ success: [put(ELECTION_EPOCH_KEY, Buffer.from("many"))] });
    const { election, clock } = candidate(store, "a");
    const started = election.start();
    for (let round = 0; round < 100; round++) {
      clock.pass(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await started;
    expect(election.isLeading()).toBe(false);
    expect(Buffer.from((await store.get(ELECTION_EPOCH_KEY))?.value ?? []).toString()).toBe("many");
  });

  it("may be stopped twice, and before it was started; then it stays a follower", async () => {
    const { store } = await memory();
    const { election } = candidate(store, "a");
    await election.stop();
    await election.stop();
    await election.start();
    expect(election.state.role).toBe("follower");
    expect(await store.get(ELECTION_LEADER_KEY)).toBeUndefined();
  });

  it("goes on when a listener fails, and does not tell one that was taken back", async () => {
    const { store } = await memory();
    const { election } = candidate(store, "a");
    const told = vi.fn();
    const never = vi.fn();
    election.onChange(() => {
      throw new Error("a listener's own trouble");
    });
    election.onChange(told);
    election.onChange(never)();
    await election.start();
    expect(told).toHaveBeenCalledOnce();
    expect(never).not.toHaveBeenCalled();
  });

  it("refuses wrong times, data that is no JSON or too long, and too many listeners", async () => {
    const { store } = await memory();
    for (const leaseTimeMs of [0, 499, 1000.5, Number.NaN, limits.STORE_LEASE_TTL_MS_MAX]) {
      expect(() => candidate(store, "a", { leaseTimeMs })).toThrow(/lease time/);
    }
    const long = "x".repeat(ELECTION_DATA_BYTES_MAX);
    expect(() => candidate(store, "a", { candidate: () => long })).toThrow(/bytes of JSON/);
    expect(() => candidate(store, "a", { candidate: () => undefined })).toThrow(/must be JSON/);
    const { election } = candidate(store, "a");
    for (let index = 0; index < 64; index++) election.onChange(() => undefined);
    expect(() => election.onChange(() => undefined)).toThrow(/64 listeners/);
  });
});
