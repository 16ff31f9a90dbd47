import { isMeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomModelBytes, TINY_SHAPE } from "../testing/index.js";
import type { GgufValue, RandomAccess } from "./gguf.js";
import { readGguf } from "./read-gguf.js";
import { bytesSource } from "./sources.js";
import { type GgufTensorSource, ggufBytes } from "./write-gguf.js";

const tensor = (name: string, values: number[]): GgufTensorSource => ({
  name,
  dimensions: [values.length],
  type: "F32",
  pieces: () => [new Uint8Array(Float32Array.from(values).buffer)],
});

const number = fc.oneof(
  fc.record({ type: fc.constant("u8" as const), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ type: fc.constant("i16" as const), value: fc.integer({ min: -32768, max: 32767 }) }),
  fc.record({ type: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
  fc.record({ type: fc.constant("f64" as const), value: fc.double({ noNaN: true }) }),
  fc.record({
    type: fc.constant("u64" as const),
    value: fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  }),
  fc.record({ type: fc.constant("i64" as const), value: fc.maxSafeInteger() }),
);
const value: fc.Arbitrary<GgufValue> = fc.oneof(
  number,
  fc.record({ type: fc.constant("bool" as const), value: fc.boolean() }),
  fc.record({ type: fc.constant("string" as const), value: fc.string({ unit: "grapheme" }) }),
  fc.record({
    type: fc.constant("array" as const),
    of: fc.constant("string" as const),
    values: fc.array(fc.string({ unit: "grapheme" })),
  }),
  fc.record({
    type: fc.constant("array" as const),
    of: fc.constant("i32" as const),
    values: fc.array(fc.integer()),
  }),
);

async function codeOf(bytes: Uint8Array): Promise<string> {
  try {
    await readGguf(bytesSource(bytes));
    return "none";
  } catch (error) {
    if (isMeshError(error)) return error.code;
    throw error;
  }
}

/** Where a key or a name is written, and how long it is. */
function placeOf(bytes: Uint8Array, text: string): { from: number; to: number } {
  const from = Buffer.from(bytes).indexOf(text);
  return { from, to: from + text.length };
}

function withU64(bytes: Uint8Array, at: number, claimed: bigint): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setBigUint64(at, claimed, true);
  return copy;
}

describe("reading what was written", () => {
  it("gives back all metadata", async () => {
    const keys = fc
      .string({ minLength: 1, maxLength: 40 })
      .filter((key) => !key.startsWith("general."));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(keys, value), async (entries) => {
        const metadata = new Map(Object.entries(entries));
        const gguf = await readGguf(bytesSource(ggufBytes(metadata, [])));
        expect(new Map(gguf.metadata)).toEqual(metadata);
      }),
      { numRuns: 60 },
    );
  });

  it("finds tensors where they lie, aligned", async () => {
    const bytes = ggufBytes(new Map(), [tensor("a", [1, 2, 3]), tensor("b", [4])]);
    const gguf = await readGguf(bytesSource(bytes));
    const found = [...gguf.tensors.values()].map(({ name, offset, sizeBytes, rows, rowBytes }) => {
      const values = [...new Float32Array(bytes.slice(offset, offset + sizeBytes).buffer)];
      return { name, aligned: offset % 32, values, rows, rowBytes };
    });
    expect(found).toEqual([
      { name: "a", aligned: 0, values: [1, 2, 3], rows: 1, rowBytes: 12 },
      { name: "b", aligned: 0, values: [4], rows: 1, rowBytes: 4 },
    ]);
  });

  it("reads a header that is longer than the first piece", async () => {
    const texts = Array.from({ length: 60_000 }, (_, index) => `token ${index}`);
    const metadata = new Map<string, GgufValue>([
      ["tokens", { type: "array", of: "string", values: texts }],
    ]);
    const reads: number[] = [];
    const bytes = ggufBytes(metadata, [tensor("a", [1])]);
    const source: RandomAccess = {
      sizeBytes: bytes.length,
      read: async (offset, length) => {
        reads.push(length);
        expect(offset + length).toBeLessThanOrEqual(bytes.length);
        return bytes.slice(offset, offset + length);
      },
    };
    const gguf = await readGguf(source);
    expect(gguf.metadata.get("tokens")).toEqual(metadata.get("tokens"));
    expect(reads.length).toBeGreaterThan(1);
    // Nothing was asked for twice.
    expect(reads.reduce((sum, length) => sum + length)).toBeLessThanOrEqual(bytes.length);
  });
});

describe("files that lie", () => {
  const metadata = new Map<string, GgufValue>([
    ["name", { type: "string", value: "x" }],
    ["list", { type: "array", of: "u32", values: [1, 2] }],
  ]);
  const bytes = ggufBytes(metadata, [tensor("first", [1, 2, 3]), tensor("second", [4])]);

  it("refuses every file that was cut off", async () => {
    // The last 28 bytes pad the last tensor.
    for (let length = 0; length < bytes.length - 28; length += 1) {
      expect(await codeOf(bytes.subarray(0, length)), `${length} bytes`).toBe("MESH_MODEL_DAMAGED");
    }
    expect(await codeOf(bytes)).toBe("none");
  });

  it("says which kind of file it is not", async () => {
    const version = (number: number) => {
      const copy = bytes.slice();
      new DataView(copy.buffer).setUint32(4, number, true);
      return copy;
    };
    expect(await codeOf(Uint8Array.from(Buffer.from("PK\u0003\u0004 no model")))).toBe(
      "MESH_MODEL_DAMAGED",
    );
    expect(await codeOf(version(1))).toBe("MESH_MODEL_UNSUPPORTED");
    await expect(readGguf(bytesSource(version(0x03000000)))).rejects.toThrow(/big-endian/);
  });

  it("allocates nothing for counts that the file has no room for", async () => {
    const list = placeOf(bytes, "list").to;
    const name = placeOf(bytes, "name");
    const first = placeOf(bytes, "first").to;
    // Each place holds a count or a length: tensors, entries, a key, an array, a dimension.
    for (const at of [8, 16, name.from - 8, name.to + 4, list + 8, first + 4]) {
      for (const claim of [2n ** 63n, 2n ** 40n, 4_000_000n, 1_000_000n]) {
        const code = await codeOf(withU64(bytes, at, claim));
        expect(code, `${claim} at ${at}`).toBe("MESH_MODEL_DAMAGED");
      }
    }
  });

  it("looks at what an array claims before it reads the first value", async () => {
    const length = placeOf(bytes, "list").to + 8;
    const claimed = readGguf(bytesSource(withU64(bytes, length, 1000n)));
    await expect(claimed).rejects.toThrow(/list claims 1000 values, .* too short/);
  });

  it("refuses tensors that overlap, are not aligned, or end outside", async () => {
    const offset = placeOf(bytes, "second").to + 4 + 8 + 4;
    expect(new DataView(bytes.buffer).getBigUint64(offset, true)).toBe(32n);
    const message = async (claimed: bigint) =>
      readGguf(bytesSource(withU64(bytes, offset, claimed))).then(
        () => "none",
        (error: Error) => error.message,
      );
    expect(await message(0n)).toMatch(/overlap/);
    expect(await message(33n)).toMatch(/not aligned/);
    expect(await message(64n)).toMatch(/cut off: 4 bytes of second/);
    expect(await message(2n ** 53n - 1n)).toMatch(/not aligned|cut off/);
  });

  it("refuses the same name twice, and types by their names", async () => {
    const twice = ggufBytes(new Map(), [tensor("a", [1]), tensor("a", [2])]);
    expect(await codeOf(twice)).toBe("MESH_MODEL_DAMAGED");
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(placeOf(bytes, "first").to + 4 + 8, 11, true);
    await expect(readGguf(bytesSource(copy))).rejects.toThrow(/first is of type Q3_K/);
  });

  it("ends in a typed error or a result, whatever bytes are changed", async () => {
    const model = randomModelBytes({ shape: { ...TINY_SHAPE, layers: 1 } });
    const header = Buffer.from(model).indexOf("output.weight") + 64;
    const places = fc.array(
      fc.record({ at: fc.nat({ max: header }), byte: fc.nat({ max: 255 }) }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(places, async (changes) => {
        const copy = model.slice();
        for (const { at, byte } of changes) copy[at] = byte;
        expect(["none", "MESH_MODEL_DAMAGED", "MESH_MODEL_UNSUPPORTED"]).toContain(
          await codeOf(copy),
        );
      }),
      { numRuns: 200 },
    );
  });
});
