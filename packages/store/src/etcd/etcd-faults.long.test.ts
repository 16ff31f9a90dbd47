/** The etcd engine when processes die, stop or are restarted: real ones, and the real clock. */
import { isMeshError, silentLogger, systemClock, systemRandom } from "@hearthmesh/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { expectMissing, expectRevision, put } from "../operations.js";
import { EtcdCluster, whyNoEtcd } from "../testing/etcd-process.js";
import { type EtcdStore, openEtcdStore } from "./etcd-store.js";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const missing = whyNoEtcd();
const why = missing === undefined ? "" : ` (${missing})`;

function open(cluster: EtcdCluster, requestTimeoutMs?: number): Promise<EtcdStore> {
  return openEtcdStore({
    endpoints: cluster.endpoints,
    keyPrefix: "/faults/",
    clock: systemClock(),
    random: systemRandom(),
    log: silentLogger,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  });
}

const bytes = (text: string) => Buffer.from(text);
const LAST = "writer/last";
const pause = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));

/** Writes keys one after the other until told to stop; knows what was acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly unknown: string[] = [];
  #stop = false;
  readonly #done: Promise<void>;

  constructor(store: EtcdStore, name: string) {
    this.#done = this.#run(store, name);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#done;
  }

  async #run(store: EtcdStore, name: string): Promise<void> {
    for (let count = 0; !this.#stop; count++) {
      const key = `${name}/${count}`;
      try {
        await store.transact({ compare: [expectMissing(key)], success: [put(key, bytes(key))] });
        this.acknowledged.push(key);
      } catch (error) {
        if (isMeshError(error, "MESH_STORE_RESULT_UNKNOWN")) this.unknown.push(key);
        else if (!isMeshError(error, "MESH_STORE_UNAVAILABLE")) throw error;
      }
    }
  }
}

/** Waits until as many more writes were acknowledged. */
async function more(writers: readonly Writer[], count: number): Promise<void> {
  const total = () => writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  const goal = total() + count;
  while (total() < goal) await pause(10);
}

async function expectAllThere(store: EtcdStore, writers: readonly Writer[]): Promise<void> {
  const there = new Map<string, number>();
  for (let start = ""; ; ) {
    const page = await store.range({ start, end: "\u{10ffff}" });
    for (const entry of page.entries) there.set(entry.key, entry.version);
    start = `${page.entries.at(-1)?.key}\u0001`;
    if (!page.more) break;
  }
  for (const { acknowledged } of writers) {
    for (const key of acknowledged) expect(there.get(key), key).toBe(1);
  }
  const known = new Set(writers.flatMap((each) => [...each.acknowledged, ...each.unknown]));
  for (const [key, version] of there) {
    if (!key.startsWith("writer")) continue;
    expect(known.has(key), key).toBe(true);
    expect(version, key).toBe(1);
  }
}

/** The revisions that a watch gives, up to the one that writes `LAST`. */
async function revisionsFrom(store: EtcdStore, fromRevision: number): Promise<number[]> {
  const revisions: number[] = [];
  for await (const batch of store.watch({ prefix: "writer" }, { fromRevision })) {
    revisions.push(batch.revision);
    if (batch.events.some((event) => event.type === "put" && event.entry.key === LAST)) break;
  }
  return revisions;
}

const upTo = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe.skipIf(missing !== undefined)(`one etcd that fails${why}`, () => {
  let cluster: EtcdCluster;
  let store: EtcdStore;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(1);
    store = await open(cluster);
  });
  afterAll(async () => {
    await store?.close();
    await cluster?.dispose();
  });

  it("loses no acknowledged write, and no change for a watcher, over restarts", async () => {
    const { revision } = await store.transact({ success: [put("start", bytes("1"))] });
    const seen = revisionsFrom(store, revision + 1);
    const writers = Array.from({ length: 8 }, (_, index) => new Writer(store, `writer${index}`));
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
      await more(writers, 50);
      await cluster.members[0]!.end(signal);
      await pause(100);
      await cluster.restart(0);
    }
    await more(writers, 50);
    for (const writer of writers) await writer.stop();
    await expectAllThere(store, writers);
    const last = await store.transact({ success: [put(LAST, bytes("1"))] });
    expect(await seen).toEqual(upTo(revision + 1, last.revision));
  });

  it("tells that a write's answer is lost, and that a read's store does not answer", async () => {
    const hasty = await open(cluster, 1_000);
    try {
      const key = "lost";
      const { revision } = await hasty.transact({ success: [put(key, bytes("before"))] });
      await cluster.members[0]!.pause();
      const write = hasty.transact({
        compare: [expectRevision(key, revision)],
        success: [put(key, bytes("after"))],
      });
      const read = hasty.get(key);
      await expect(write).rejects.toSatisfy((error) =>
        isMeshError(error, "MESH_STORE_RESULT_UNKNOWN"),
      );
      await expect(read).rejects.toSatisfy((error) => isMeshError(error, "MESH_STORE_UNAVAILABLE"));
      cluster.members[0]!.resume();
      const entry = await until(() => hasty.get(key));
      expect(["before", "after"]).toContain(Buffer.from(entry?.value ?? []).toString());
      // It was sent once: a repeated one would have found another revision and failed.
      expect(entry?.version).toBeLessThanOrEqual(2);
    } finally {
      cluster.members[0]!.resume();
      await hasty.close();
    }
  });

  it("ends a watch that was compacted while etcd was away", async () => {
    const { revision } = await store.transact({ success: [put("gone", bytes("1"))] });
    const other = await open(cluster);
    const watch = store.watch({ prefix: "gone" }, { fromRevision: revision });
    const iterator = watch[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.revision).toBe(revision);
    await store.transact({ success: [put("gone", bytes("2"))] });
    const { revision: last } = await other.transact({ success: [put("gone", bytes("3"))] });
    await other.compact(last);
    await cluster.members[0]!.end("SIGKILL");
    await cluster.restart(0);
    const read = async () => {
      for (;;) await iterator.next();
    };
    // The second change may have been on its way already; the end is the same.
    await Promise.race([
      expect(read()).rejects.toSatisfy((error) => isMeshError(error, "MESH_STORE_COMPACTED")),
      atEndOf(other, last),
    ]);
    await other.close();
  });

  it("ends the lease of a store that is gone, not before its time", async () => {
    const gone = await open(cluster);
    const lease = await gone.grantLease(1_500);
    expect(lease.ttlMs).toBeGreaterThanOrEqual(2_000);
    expect(lease.ttlMs % 1_000).toBe(0);
    const grantedMs = performance.now();
    await gone.transact({ success: [put("tied", bytes("1"), lease.id)] });
    await gone.close();
    const found = await store.findLease(lease.id);
    expect(found?.ttlMs).toBe(lease.ttlMs);
    while ((await store.get("tied")) !== undefined) await pause(50);
    expect(performance.now() - grantedMs).toBeGreaterThanOrEqual(1_500);
    expect(await store.findLease(lease.id)).toBeUndefined();
    await expect(found?.keepAlive()).rejects.toSatisfy((error) =>
      isMeshError(error, "MESH_STORE_LEASE_UNKNOWN"),
    );
  });
});

describe.skipIf(missing !== undefined)(`three etcds of which one fails${why}`, () => {
  let cluster: EtcdCluster;
  let store: EtcdStore;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(3);
    store = await open(cluster);
  });
  afterAll(async () => {
    await store?.close();
    await cluster?.dispose();
  });

  it("goes on when any member is killed, one after the other", async () => {
    const writers = Array.from({ length: 8 }, (_, index) => new Writer(store, `writer-k${index}`));
    for (const [index, member] of cluster.members.entries()) {
      await more(writers, 30);
      await member.end("SIGKILL");
      await more(writers, 30);
      await cluster.restart(index);
    }
    for (const writer of writers) await writer.stop();
    await expectAllThere(store, writers.concat());
  });

  it("leaves a member that is paused, and watchers go on elsewhere", async () => {
    const { revision } = await store.transact({ success: [put("start", bytes("1"))] });
    const seen = revisionsFrom(store, revision + 1);
    const writers = Array.from({ length: 4 }, (_, index) => new Writer(store, `writer-p${index}`));
    for (const member of cluster.members) {
      await more(writers, 30);
      await member.pause();
      await more(writers, 30);
      member.resume();
    }
    for (const writer of writers) await writer.stop();
    const last = await store.transact({ success: [put(LAST, bytes("1"))] });
    expect(await seen).toEqual(upTo(revision + 1, last.revision));
  });

  it("answers nothing stale: two of three are paused, then it is unavailable", async () => {
    const hasty = await open(cluster, 1_500);
    const [one, two] = cluster.members;
    try {
      await one?.pause();
      await two?.pause();
      await expect(hasty.get("start")).rejects.toSatisfy((error) =>
        isMeshError(error, "MESH_STORE_UNAVAILABLE"),
      );
    } finally {
      one?.resume();
      two?.resume();
    }
    await until(() => hasty.get("start"));
    await hasty.close();
  });
});

async function atEndOf(store: EtcdStore, revision: number): Promise<void> {
  for await (const batch of store.watch({ prefix: "gone" }, { fromRevision: revision + 1 })) {
    if (batch.revision > revision) return;
  }
}

/** The store may need a moment to find the cluster again. */
async function until<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isMeshError(error, "MESH_STORE_UNAVAILABLE")) throw error;
      await pause(50);
    }
  }
}
