import { systemClock, systemRandom } from "@hearthmesh/core";
import { memoryStore, put, type Store } from "@hearthmesh/store";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CopyKeys } from "../copies/index.js";
import { decodeSnapshot, encodeSnapshot, type SnapshotHead } from "./snapshot-format.js";
import { importSnapshot } from "./snapshot-import.js";
import { belongsInSnapshot, snapshotRows } from "./snapshot-rows.js";
import {
  compareMarks,
  measured,
  openSnapshot,
  type PackedSnapshot,
  sealedSnapshotBytes,
  sealSnapshot,
  snapshotName,
  snapshotNames,
} from "./snapshot-seal.js";

const clock = systemClock();
const random = systemRandom();

const HEAD: SnapshotHead = {
  v: 1,
  memberId: "alice",
  trustDomain: "home.alice",
  epoch: 3,
  sequence: 7,
  revision: 40,
  takenAtMs: 1_700_000_000_000,
  home: { "node.json": "{}" },
};

async function* from<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

async function collect<Item>(source: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of source) items.push(item);
  return items;
}

async function packedOf(rows: readonly { key: string; value: Uint8Array }[], head = HEAD) {
  const size = { sizeBytes: 0, contentHash: "" };
  const bytes = Buffer.concat(await collect(measured(encodeSnapshot(head, from(rows)), size)));
  const packed: PackedSnapshot = {
    mark: head,
    takenAtMs: head.takenAtMs,
    owner: "spiffe://home.alice/node/alice-coordinator",
    ...size,
    read: () => from([bytes]),
  };
  return packed;
}

async function storeWith(rows: Record<string, string>): Promise<Store> {
  const store = memoryStore({ clock });
  for (const [key, value] of Object.entries(rows)) {
    await store.transact({ success: [put(key, Buffer.from(value))] });
  }
  return store;
}

describe("a snapshot as a stream", () => {
  it("gives back every row, cut anywhere", async () => {
    const row = fc.record({
      key: fc.string({ minLength: 1, maxLength: 40, unit: "grapheme-ascii" }),
      value: fc.uint8Array({ maxLength: 3000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 60 }),
        fc.integer({ min: 1, max: 500 }),
        async (rows, cut) => {
          const bytes = Buffer.concat(await collect(encodeSnapshot(HEAD, from(rows))));
          const pieces: Uint8Array[] = [];
          for (let at = 0; at < bytes.length; at += cut) pieces.push(bytes.subarray(at, at + cut));
          const open = await decodeSnapshot(from(pieces));
          expect(open.head).toEqual(HEAD);
          expect(await collect(open.rows)).toEqual(rows);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("notices what was cut off, changed or appended", async () => {
    const rows = Array.from({ length: 50 }, (_, at) => ({
      key: `f/${at}`,
      value: random.bytes(100),
    }));
    const bytes = Buffer.concat(await collect(encodeSnapshot(HEAD, from(rows))));
    const read = async (input: Uint8Array) => collect((await decodeSnapshot(from([input]))).rows);
    for (const cut of [10, bytes.length >> 1, bytes.length - 9, bytes.length - 1]) {
      await expect(read(bytes.subarray(0, cut))).rejects.toMatchObject({
        code: "MESH_STORE_CORRUPT",
      });
    }
    const changed = Buffer.from(bytes);
    changed[bytes.length >> 1] = (changed[bytes.length >> 1] as number) ^ 1;
    await expect(read(changed)).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
    await expect(read(Buffer.from("hello"))).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
  });

  it("passes on why its source failed", async () => {
    async function* failing(): AsyncGenerator<{ key: string; value: Uint8Array }> {
      yield { key: "f/a", value: random.bytes(10) };
      throw new Error("the disk is gone");
    }
    await expect(collect(encodeSnapshot(HEAD, failing()))).rejects.toThrow("the disk is gone");
  });
});

describe("what is in a snapshot", () => {
  it("is everything but what belongs to the machines and the moment that are gone", async () => {
    const store = await storeWith({
      "f/1/a": "entry",
      "authority/member": "m",
      "kv/d/app": "v",
      "coordinator/epoch": "5",
      "n/abc": "node",
      "q/1/0": "queue",
      "x/1": "condemned",
      "store/restored": "1",
      "recovery/hold": "h",
    });
    const lease = await store.grantLease(60_000);
    await store.transact({ success: [put("kv/l/1", Buffer.from("lease"), lease.id)] });
    const { revision } = await store.status();
    await store.transact({ success: [put("f/1/later", Buffer.from("not seen"))] });
    const rows = await collect(snapshotRows(store, revision));
    expect(rows.map(({ key }) => key)).toEqual([
      "authority/member",
      "coordinator/epoch",
      "f/1/a",
      "kv/d/app",
      "n/abc",
    ]);
    expect(belongsInSnapshot("l/v/000000000001")).toBe(false);
  });

  it("comes back into an empty store alone, with a layout without nodes", async () => {
    const layout = { v: 1, version: 4, replicas: 2, nodes: [{ nodeId: "a" }] };
    const rows = [
      { key: "f/1/a", value: Buffer.from("entry") },
      { key: "l/current", value: Buffer.from(JSON.stringify(layout)) },
    ];
    const target = memoryStore({ clock });
    const open = await decodeSnapshot(encodeSnapshot(HEAD, from(rows)));
    expect(await importSnapshot(target, open)).toBe(2);
    const written = JSON.parse(
      Buffer.from((await target.get("l/current"))?.value ?? []).toString(),
    );
    expect(written).toEqual({ v: 1, version: 5, replicas: 2, nodes: [] });
    const again = await decodeSnapshot(encodeSnapshot(HEAD, from(rows)));
    await expect(importSnapshot(target, again)).rejects.toMatchObject({
      code: "MESH_CONFIG_INVALID",
    });
  });
});

describe("a sealed snapshot", () => {
  const keys = new CopyKeys(random.bytes(32));

  async function sealed(packed: PackedSnapshot, friend: string) {
    const name = snapshotName(keys, packed.mark, friend);
    const bytes = Buffer.concat(await collect(sealSnapshot(keys, packed, name, random)));
    expect(bytes.length).toBe(sealedSnapshotBytes(packed));
    return { name, bytes };
  }

  it("opens under its own name and key, and nowhere else", async () => {
    const rows = Array.from({ length: 3000 }, (_, at) => ({
      key: `f/${at}`,
      value: random.bytes(500),
    }));
    const packed = await packedOf(rows);
    const { name, bytes } = await sealed(packed, "garage.bob");
    expect(bytes.length).toBeGreaterThan(1 << 20);
    const stream = () => ({ bytes: bytes.length, stream: from([bytes]) });
    const open = await openSnapshot(keys, name, stream());
    expect(open.head).toEqual(HEAD);
    expect(await collect(open.rows)).toHaveLength(rows.length);
    const otherKeys = new CopyKeys(random.bytes(32));
    await expect(openSnapshot(otherKeys, name, stream())).rejects.toMatchObject({
      code: "MESH_COPY_DAMAGED",
    });
    // Another slot's, or another friend's, snapshot cannot be put in this place.
    for (const other of [
      ...snapshotNames(keys, "garage.bob"),
      ...snapshotNames(keys, "office.carol"),
    ]) {
      if (other === name) continue;
      await expect(openSnapshot(keys, other, stream())).rejects.toMatchObject({
        code: "MESH_COPY_DAMAGED",
      });
    }
    const changed = Buffer.from(bytes);
    changed[bytes.length - 100] = (changed[bytes.length - 100] as number) ^ 1;
    const readAll = async () => {
      const sealed = { bytes: bytes.length, stream: from([changed]) };
      return collect((await openSnapshot(keys, name, sealed)).rows);
    };
    await expect(readAll()).rejects.toMatchObject({ code: "MESH_COPY_DAMAGED" });
  });

  it("takes the place of the oldest, and a higher epoch is newer whatever the number", async () => {
    const names = snapshotNames(keys, "garage.bob");
    expect(new Set(names).size).toBe(3);
    const at = (sequence: number) => snapshotName(keys, { epoch: 1, sequence }, "garage.bob");
    expect([at(0), at(1), at(2), at(3)]).toEqual([...names, names[0]]);
    expect(compareMarks({ epoch: 2, sequence: 1 }, { epoch: 1, sequence: 9 })).toBeGreaterThan(0);
    expect(compareMarks({ epoch: 2, sequence: 1 }, { epoch: 2, sequence: 9 })).toBeLessThan(0);
  });
});
