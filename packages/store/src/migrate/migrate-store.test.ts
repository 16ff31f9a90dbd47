import { isMeshError, limits } from "@hearthmesh/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ELECTION_EPOCH_KEY, ELECTION_LEADER_KEY } from "../election/leader-record.js";
import { put } from "../operations.js";
import type { StoreUnderTest } from "../testing/harness.js";
import { memorySubject, sqliteSubject } from "../testing/index.js";
import type { KeyValue, Store, Transaction } from "../types.js";
import { MIGRATION_KEY } from "./entries.js";
import { isMigrationUnfinished, type MigrationProgress, migrateStore } from "./migrate-store.js";

vi.setConfig({ testTimeout: 120_000 });

const bytes = (text: string) => new TextEncoder().encode(text);
const hasCode = (code: string) => (error: unknown) => isMeshError(error) && error.code === code;
const opened: StoreUnderTest[] = [];

afterEach(async () => {
  for (const subject of opened.splice(0)) await subject.dispose();
});

async function open(openSubject: () => Promise<StoreUnderTest>): Promise<StoreUnderTest> {
  const subject = await openSubject();
  opened.push(subject);
  return subject;
}

async function fill(store: Store, entries: Iterable<readonly [string, Uint8Array]>) {
  for (const [key, value] of entries) await store.transact({ success: [put(key, value)] });
}

async function contents(store: Store): Promise<[string, string][]> {
  const found: [string, string][] = [];
  let page = await store.range({ prefix: "" });
  for (;;) {
    for (const { key, value } of page.entries)
      found.push([key, Buffer.from(value).toString("hex")]);
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return found;
    page = await store.range({ start: `${last.key}\u0001`, end: "\u{10ffff}\u{10ffff}" });
  }
}

/** The target, with a mistake in what is written to it. */
function faulty(to: Store, change: (transaction: Transaction) => Transaction): Store {
  const names = ["get", "range", "status", "compact", "grantLease", "findLease"] as const;
  const bound = names.map((name) => [name, to[name].bind(to)] as const);
  const transact = (transaction: Transaction) => to.transact(change(transaction));
  return { ...(Object.fromEntries(bound) as unknown as Store), transact };
}

describe.each([
  ["memory to sqlite", memorySubject, () => sqliteSubject()],
  ["sqlite to memory", () => sqliteSubject(), memorySubject],
])("migrateStore from %s", (_name, openSource, openTarget) => {
  async function pair() {
    return { from: await open(openSource), to: await open(openTarget) };
  }

  it("copies all keys and tells what it has compared", async () => {
    const { from, to } = await pair();
    const longest = "k".repeat(limits.STORE_KEY_BYTES_MAX);
    const last = "\u{10ffff}".repeat(limits.STORE_KEY_BYTES_MAX / 4);
    const keys = ["a", "a/b", "é", "\uffff", "😀", longest, last, "\u{10ffff}", "\u0001"];
    await fill(from.store, [
      ...keys.map((key) => [key, bytes(key)] as const),
      ["empty", new Uint8Array(0)],
      [ELECTION_EPOCH_KEY, bytes("12")],
    ]);
    const before = await contents(from.store);
    const result = await migrateStore({ from: from.store, to: to.store });
    expect(await contents(to.store)).toEqual(before);
    expect(await contents(from.store)).toEqual(before);
    expect(result).toMatchObject({ keys: keys.length + 2, leases: 0, leasedKeys: 0 });
    expect(result.bytes).toBe(
      before.reduce((sum, [key, hex]) => sum + Buffer.byteLength(key) + hex.length / 2, 0),
    );
    const back = await open(memorySubject);
    const again = await migrateStore({ from: to.store, to: back.store });
    expect(again.sha256).toBe(result.sha256);
    expect(result.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it("copies more than a page, large values too, and says how far it is", async () => {
    const { from, to } = await pair();
    const largest = new Uint8Array(limits.STORE_VALUE_BYTES_MAX).fill(7);
    const numbers = Array.from({ length: 700 }, (_, index) => String(index).padStart(3, "0"));
    for (let start = 0; start < 700; start += 100) {
      const part = numbers.slice(start, start + 100);
      await from.store.transact({ success: part.map((key) => put(`k/${key}`, bytes(key))) });
    }
    await fill(from.store, [
      ["large/1", largest],
      ["large/2", largest],
    ]);
    const told: MigrationProgress[] = [];
    const onProgress = (progress: MigrationProgress) => told.push(progress);
    const { keys } = await migrateStore({ from: from.store, to: to.store, onProgress });
    expect(keys).toBe(702);
    expect(await contents(to.store)).toEqual(await contents(from.store));
    expect(told.filter(({ step }) => step === "copy").at(-1)).toMatchObject({ done: 702 });
    expect(told.at(-1)).toEqual({ step: "verify", done: 702, total: 702 });
  });

  it("gives no number of the old store again, and tells old watches to start anew", async () => {
    const { from, to } = await pair();
    for (let count = 0; count < 300; count++) await fill(from.store, [["a", bytes(`${count}`)]]);
    const { revision } = await from.store.status();
    await migrateStore({ from: from.store, to: to.store });
    expect((await to.store.get("a"))?.createRevision).toBeGreaterThan(revision);
    expect((await to.store.status()).keys).toBe(1);
    const watch = to.store.watch({ prefix: "" }, { fromRevision: revision });
    const next = watch[Symbol.asyncIterator]().next();
    await expect(next).rejects.toSatisfy(hasCode("MESH_STORE_COMPACTED"));
  });

  it("moves keys with leases, their time to live anew, and leaves the leader", async () => {
    const { from, to } = await pair();
    const { store } = from;
    const [short, long, leader] = [
      await store.grantLease(1000),
      await store.grantLease(60_000),
      await store.grantLease(1000),
    ];
    const value = bytes("1");
    await store.transact({
      success: [
        put("plain", value),
        put("short/a", value, short.id),
        put("short/b", value, short.id),
        put(`lease/${long.id}`, value, long.id),
        put("left out", value, long.id),
        put(ELECTION_LEADER_KEY, value, leader.id),
      ],
    });
    const rebind = (entry: KeyValue, leaseId: number) => {
      if (entry.key === "left out") return undefined;
      const isRecord = entry.key.startsWith("lease/");
      return { key: isRecord ? `lease/${leaseId}` : entry.key, value: entry.value };
    };
    // As after some other leases, so that the new ids are not the old ones.
    for (const _id of [1, 2]) await (await to.store.grantLease(1000)).revoke();
    const result = await migrateStore({ from: store, to: to.store, rebind });
    expect(result).toMatchObject({ keys: 1, leases: 2, leasedKeys: 3 });
    const found = (await to.store.range({ prefix: "" })).entries;
    const moved = found.find(({ key }) => key.startsWith("lease/"));
    expect(moved?.key).toBe(`lease/${moved?.leaseId}`);
    expect(moved?.leaseId).not.toBe(long.id);
    expect((await to.store.findLease(moved?.leaseId ?? 1))?.ttlMs).toBe(60_000);
    const keys = async () => (await to.store.range({ prefix: "" })).entries.map(({ key }) => key);
    expect(await keys()).toEqual([moved?.key, "plain", "short/a", "short/b"]);
    await to.advance(1000);
    expect(await keys()).toEqual([moved?.key, "plain"]);
  });

  it("refuses a target that is in use", async () => {
    const { from, to } = await pair();
    await fill(to.store, [["a", bytes("1")]]);
    const work = migrateStore({ from: from.store, to: to.store });
    await expect(work).rejects.toSatisfy(hasCode("MESH_CONFIG_INVALID"));
    expect(await contents(to.store)).toHaveLength(1);
  });

  it("can be broken off and begun again, and is no source meanwhile", async () => {
    const { from, to } = await pair();
    const numbers = Array.from({ length: 600 }, (_, index) => `k/${index}`);
    await fill(
      from.store,
      numbers.map((key) => [key, bytes(key)]),
    );
    const ending = new AbortController();
    const onProgress = ({ step, done }: MigrationProgress) => {
      if (step === "copy" && done > 0) ending.abort(new Error("enough"));
    };
    const { signal } = ending;
    const options = { from: from.store, to: to.store };
    await expect(migrateStore({ ...options, signal, onProgress })).rejects.toThrow("enough");
    expect(await isMigrationUnfinished(to.store)).toBe(true);
    const third = await open(memorySubject);
    const onwards = migrateStore({ from: to.store, to: third.store });
    await expect(onwards).rejects.toSatisfy(hasCode("MESH_CONFIG_INVALID"));
    await fill(to.store, [["stranger", bytes("1")]]);
    expect(await migrateStore(options)).toMatchObject({ keys: 600 });
    expect(await isMigrationUnfinished(to.store)).toBe(false);
    expect(await to.store.get("stranger")).toBeUndefined();
  });

  const mistakes: [string, string, (transaction: Transaction) => Transaction][] = [
    ["lost a key", "b", (each) => ({ success: each.success.filter((one) => !isPut(one, "b")) })],
    ["made up a key", "bb", (each) => ({ success: withMore(each, "bb") })],
    ["made up the last key", "z", (each) => ({ success: withMore(each, "z") })],
    ["lost the last key", "c", (each) => ({ success: each.success.filter((o) => !isPut(o, "c")) })],
    [
      "changed a value",
      "b",
      (each) => ({
        success: each.success.map((one) => (isPut(one, "b") ? put("b", bytes("?")) : one)),
      }),
    ],
  ];
  it.each(mistakes)("sees that the target has %s", async (_what, key, change) => {
    const { from, to } = await pair();
    await fill(from.store, [
      ["a", bytes("1")],
      ["b", bytes("2")],
      ["c", bytes("3")],
    ]);
    const work = migrateStore({ from: from.store, to: faulty(to.store, change) });
    const error = await work.catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "MESH_STORE_MISMATCH", details: { key } });
    expect(await isMigrationUnfinished(to.store)).toBe(true);
  });
});

function isPut(operation: Transaction["success"][number], key: string): boolean {
  return operation.type === "put" && operation.key === key;
}

/** One more key in the transaction that copies `a`. */
function withMore({ success }: Transaction, key: string): Transaction["success"] {
  return success.some((one) => isPut(one, "a")) ? [...success, put(key, bytes("1"))] : success;
}

describe("migrateStore", () => {
  it("is the same for any contents, and back again", async () => {
    const entry = fc.tuple(
      fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
        .map((key) => key.replace(/\0/g, "0")),
      fc.uint8Array({ maxLength: 40 }),
    );
    const property = fc.asyncProperty(fc.array(entry, { maxLength: 40 }), async (entries) => {
      const [from, to, back] = [
        await memorySubject(),
        await memorySubject(),
        await memorySubject(),
      ];
      await fill(from.store, entries);
      const there = await migrateStore({ from: from.store, to: to.store });
      const again = await migrateStore({ from: to.store, to: back.store });
      expect(await contents(back.store)).toEqual(await contents(from.store));
      expect(again.sha256).toBe(there.sha256);
      expect(again.revision).toBeGreaterThan(there.revision);
      for (const subject of [from, to, back]) await subject.dispose();
    });
    await fc.assert(property, { seed: 20_261_121, numRuns: 50 });
  });

  it("forgets on the way what only raised the revision", async () => {
    const [from, to] = [await open(memorySubject), await open(memorySubject)];
    const writes = Array.from({ length: 20_000 }, (_, index) =>
      from.store.transact({ success: [put("a", bytes(`${index}`))] }),
    );
    await Promise.all(writes);
    const compact = vi.spyOn(to.store, "compact");
    await migrateStore({ from: from.store, to: to.store });
    expect(compact).toHaveBeenCalledTimes(2);
    expect((await to.store.status()).revision).toBeGreaterThan(20_001);
  });

  it("does not take the mark of a migration for a key", async () => {
    const [from, to] = [await open(memorySubject), await open(memorySubject)];
    await migrateStore({ from: from.store, to: to.store });
    expect(await to.store.get(MIGRATION_KEY)).toBeUndefined();
    expect((await to.store.status()).keys).toBe(0);
  });
});
