import { type ChunkId, type FileId, type MemberId, MeshError, type NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Layout, LayoutNode } from "../types.js";
import { acksNeeded, isDurable } from "./durability.js";
import { chunkOfReference, fileOfKey, keys, nameOfEntry, rowsAfter } from "./keys.js";
import { emptyLayout, withCapacity, withNode, withoutNode, withReplicas } from "./layout-change.js";
import { reachableAddresses } from "./node-addresses.js";
import {
  type DeadRecord,
  decodeDead,
  decodeEntry,
  decodeJson,
  decodeSegment,
  type EntryRecord,
  encodeDead,
  encodeEntry,
  encodeSegment,
} from "./records.js";

const hex = (length: number) =>
  fc
    .uint8Array({ minLength: length / 2, maxLength: length / 2 })
    .map((bytes) => Buffer.from(bytes).toString("hex"));
const fileId = hex(32).map((text) => text as FileId);
const chunkId = hex(64).map((text) => text as ChunkId);
const count = fc.nat();

describe("records", () => {
  const base = {
    fileId,
    sizeBytes: count,
    createdAtMs: count,
    modifiedAtMs: count,
    owner: fc.string(),
  };
  const file = fc.record({ kind: fc.constant("file" as const), chunkCount: count, ...base });
  const entry: fc.Arbitrary<EntryRecord> = fc.oneof(
    file,
    fc.tuple(file, fc.uint8Array()).map(([one, inline]) => ({ ...one, inline })),
    fc.tuple(file, fc.array(chunkId)).map(([one, chunks]) => ({ ...one, chunks })),
    fc.record({
      kind: fc.constant("directory" as const),
      fileId,
      createdAtMs: count,
      modifiedAtMs: count,
      owner: fc.string(),
    }),
  );

  it("come back as they were written", () => {
    fc.assert(
      fc.property(entry, (record) => {
        const decoded = decodeEntry(encodeEntry(record));
        const inline = "inline" in decoded ? { inline: Uint8Array.from(decoded.inline ?? []) } : {};
        expect({ ...decoded, ...inline }).toEqual(record);
      }),
    );
    fc.assert(
      fc.property(fc.array(chunkId), (ids) => {
        expect(decodeSegment(encodeSegment(ids))).toEqual(ids);
        const dead: DeadRecord = { kind: "file", run: "r", atMs: 1.5, chunks: ids };
        expect(decodeDead(encodeDead(dead))).toEqual(dead);
      }),
    );
  });

  it("are refused when they are newer or damaged, and never read as something else", () => {
    const bytes = Buffer.from(encodeSegment([]));
    bytes[0] = 2;
    expect(() => decodeSegment(bytes)).toThrow(MeshError);
    expect(() => decodeSegment(bytes)).toThrow(/newer version/);
    expect(() => decodeSegment(Buffer.from([1, 2, 3]))).toThrow(/not readable/);
    expect(() => decodeEntry(new Uint8Array(0))).toThrow(/not readable/);
    expect(() => decodeEntry(Buffer.from([1, 0, 2, 0x7b, 0x7b]))).toThrow(/not readable/);
    expect(() => decodeJson(Buffer.from('{"v":2}'))).toThrow(/newer version/);
  });
});

describe("keys", () => {
  it("keep the order of numbers and give back what they were made from", () => {
    fc.assert(
      fc.property(fileId, fc.nat(0xff_ff_ff), fc.nat(0xff_ff_ff), (id, a, b) => {
        expect(keys.segment(id, a) < keys.segment(id, b)).toBe(a < b);
        expect(fileOfKey(keys.segment(id, a))).toBe(id);
      }),
    );
    fc.assert(
      fc.property(chunkId, fileId, (chunk, file) => {
        expect(chunkOfReference(keys.reference(chunk, file))).toBe(chunk);
        expect(nameOfEntry(keys.entry(file, "näme 🔥"))).toBe("näme 🔥");
      }),
    );
  });

  it("leave nothing out between a key and the rows after it", () => {
    const after = rowsAfter("f", keys.entry("0".repeat(32) as FileId, "a")) as { start: string };
    const next = keys.entry("0".repeat(32) as FileId, "a ");
    expect(Buffer.compare(Buffer.from(after.start), Buffer.from(next))).toBeLessThan(0);
  });
});

const GIB = 2 ** 30;

function node(name: string, site = "home", capacityBytes = GIB): LayoutNode {
  const zone = { memberId: "alice" as MemberId, site };
  return { nodeId: name.padEnd(52, "a") as NodeId, name, zone, capacityBytes };
}

function layoutOf(...nodes: LayoutNode[]): Layout {
  return nodes.reduce(withNode, emptyLayout(3));
}

describe("layout changes", () => {
  it("give a new version for a change and the same object for none", () => {
    const one = layoutOf(node("b"));
    expect(one.version).toBe(2);
    expect(withNode(one, node("b"))).toBe(one);
    expect(withReplicas(one, 3)).toBe(one);
    expect(withCapacity(one, node("c").nodeId, 5)).toBe(one);
    expect(withoutNode(one, node("c").nodeId)).toBe(one);
    expect(withReplicas(one, 2)).toMatchObject({ version: 3, replicas: 2 });
    expect(withNode(one, node("b", "office")).nodes).toEqual([node("b", "office")]);
    expect(withoutNode(one, node("b").nodeId)).toMatchObject({ version: 3, nodes: [] });
  });

  it("keep the nodes in one order, whoever came first", () => {
    expect(layoutOf(node("c"), node("b")).nodes).toEqual(layoutOf(node("b"), node("c")).nodes);
  });
});

describe("durability", () => {
  const [a, b, c] = [node("b"), node("c"), node("d", "office")] as const;
  const ids = (...nodes: LayoutNode[]) => new Set(nodes.map((one) => one.nodeId));

  it("needs two of three nodes, fewer only in a smaller layout", () => {
    expect(acksNeeded(layoutOf(), 2)).toBe(0);
    expect(acksNeeded(layoutOf(a), 2)).toBe(1);
    expect(acksNeeded(layoutOf(a, b), 2)).toBe(2);
    expect(acksNeeded(layoutOf(a, b, c), 2)).toBe(2);
    expect(acksNeeded(layoutOf(a, node("e", "home", 0)), 2)).toBe(1);
  });

  it("needs distinct zones as long as another zone is there", () => {
    const layout = layoutOf(a, b, c);
    const everyone = [a.nodeId, b.nodeId, c.nodeId];
    expect(isDurable({ layout, acks: 2, online: everyone }, ids(a, b))).toBe(false);
    expect(isDurable({ layout, acks: 2, online: everyone }, ids(a, c))).toBe(true);
    expect(isDurable({ layout, acks: 2, online: [a.nodeId, b.nodeId] }, ids(a, b))).toBe(true);
    expect(isDurable({ layout, acks: 2, online: [a.nodeId] }, ids(a))).toBe(false);
  });

  it("counts no node outside the layout, and nothing without a layout", () => {
    const rule = { layout: layoutOf(a, b), acks: 2, online: [a.nodeId, b.nodeId] };
    expect(isDurable(rule, ids(a, c))).toBe(false);
    expect(isDurable({ layout: layoutOf(), acks: 2, online: [] }, ids(a, b))).toBe(false);
  });
});

describe("reachableAddresses", () => {
  it("puts what the coordinator sees first, with the node's own port", () => {
    expect(reachableAddresses(["10.0.0.5:9000"], "192.168.1.7:51234")).toEqual([
      "192.168.1.7:9000",
      "10.0.0.5:9000",
    ]);
    expect(reachableAddresses(["h:9000"], "fe80::1:51234")[0]).toBe("[fe80::1]:9000");
    expect(reachableAddresses(["h:9000"], "[2001:db8::1]:1")[0]).toBe("[2001:db8::1]:9000");
    expect(reachableAddresses(["h:9000"], "::ffff:10.1.1.1:1")[0]).toBe("10.1.1.1:9000");
  });

  it("puts loopback last, and says nothing twice", () => {
    const addresses = ["10.0.0.5:9000"];
    expect(reachableAddresses(addresses, "127.0.0.1:5")).toEqual([...addresses, "127.0.0.1:9000"]);
    expect(reachableAddresses(addresses, "10.0.0.5:5")).toEqual(addresses);
  });

  it("keeps to what was announced when it cannot tell more", () => {
    expect(reachableAddresses(["10.0.0.5:9000"], "a name")).toEqual(["10.0.0.5:9000"]);
    expect(reachableAddresses([], "10.0.0.5:5")).toEqual([]);
  });
});
