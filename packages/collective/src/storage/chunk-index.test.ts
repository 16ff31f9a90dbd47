import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkIdOf } from "./blake3.js";
import { ChunkIndex } from "./chunk-index.js";

/** Few different ids that share long prefixes, so that every comparison is exercised. */
function idOf(value: number): Buffer {
  const id = Buffer.alloc(32, value % 3);
  id[31] = value >> 2;
  return id;
}

describe("the chunk index", () => {
  it("does what a sorted map does", () => {
    const operation = fc.tuple(fc.constantFrom("set", "set", "delete", "list"), fc.nat(199));
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300, size: "max" }), (operations) => {
        const index = new ChunkIndex();
        const model = new Map<string, number>();
        operations.forEach(([type, value], at) => {
          const id = idOf(value);
          const name = id.toString("hex");
          if (type === "set") {
            const before = index.set(id, { pack: at, offset: 1, recordBytes: 2 });
            expect(before?.pack).toBe(model.get(name));
            model.set(name, at);
          } else if (type === "delete") {
            expect(index.delete(id)?.pack).toBe(model.get(name));
            model.delete(name);
          } else {
            const after = [...model.keys()].sort().filter((key) => key > name);
            expect(index.list(id, 7)).toEqual(after.slice(0, 7));
          }
          expect(index.get(id)?.pack).toBe(model.get(name));
        });
        expect(index.size).toBe(model.size);
        expect(index.list(undefined, 1000)).toEqual([...model.keys()].sort());
      }),
    );
  });

  it("stays in order through many splits, and forgets all of it again", () => {
    const index = new ChunkIndex();
    const ids = Array.from({ length: 20_000 }, (_, at) => chunkIdOf([Buffer.from(`${at}`)]));
    for (const [at, id] of ids.entries()) {
      index.set(Buffer.from(id, "hex"), { pack: 1, offset: at, recordBytes: 9 });
    }
    const sorted = [...ids].sort();
    expect(index.list(undefined, 30_000)).toEqual(sorted);
    expect(index.list(Buffer.from(sorted[9999] ?? "", "hex"), 2)).toEqual(
      sorted.slice(10_000, 10_002),
    );
    expect(ids.every((id, at) => index.get(Buffer.from(id, "hex"))?.offset === at)).toBe(true);
    for (const id of ids) index.delete(Buffer.from(id, "hex"));
    expect(index.size).toBe(0);
    expect(index.list(undefined, 9)).toEqual([]);
  });
});
