import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCbor, encodeCbor } from "./cbor.js";
import { isQWormholeError } from "./errors.js";
import { CBOR_DEPTH_MAX, CBOR_OBJECTS_MAX, MESSAGE_BYTES_HARD_MAX } from "./limits.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

function refused(run: () => unknown, what: RegExp, code = "QW_MESSAGE_INVALID"): void {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  expect(isQWormholeError(thrown)).toBe(true);
  expect(thrown).toMatchObject({ code, message: expect.stringMatching(what) });
}

/** RFC 8949, appendix A: what this part of CBOR both writes and reads. */
const VECTORS: readonly (readonly [string, unknown])[] = [
  ["00", 0],
  ["01", 1],
  ["0a", 10],
  ["17", 23],
  ["1818", 24],
  ["1819", 25],
  ["1864", 100],
  ["1903e8", 1000],
  ["1a000f4240", 1_000_000],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["1bffffffffffffffff", 18446744073709551615n],
  ["3bffffffffffffffff", -18446744073709551616n],
  ["20", -1],
  ["29", -10],
  ["3863", -100],
  ["3903e7", -1000],
  ["f98000", -0],
  ["fb3ff199999999999a", 1.1],
  ["f93e00", 1.5],
  ["fa47c35000", 100_000.0],
  ["fa7f7fffff", 3.4028234663852886e38],
  ["fb7e37e43c8800759c", 1.0e300],
  ["f90001", 2 ** -24],
  ["f90400", 2 ** -14],
  ["f9c400", -4.0],
  ["fbc010666666666666", -4.1],
  ["f97c00", Number.POSITIVE_INFINITY],
  ["f97e00", Number.NaN],
  ["f9fc00", Number.NEGATIVE_INFINITY],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["f7", undefined],
  ["c11a514b67b0", new Date("2013-03-21T20:04:00Z")],
  ["c1fb41d452d9ec200000", new Date("2013-03-21T20:04:00.500Z")],
  ["40", new Uint8Array()],
  ["4401020304", Uint8Array.of(1, 2, 3, 4)],
  ["60", ""],
  ["6161", "a"],
  ["6449455446", "IETF"],
  ["62225c", '"\\'],
  ["62c3bc", "\u00fc"],
  ["63e6b0b4", "\u6c34"],
  ["64f0908591", "\u{10151}"],
  ["80", []],
  ["83010203", [1, 2, 3]],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  [
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    Array.from({ length: 25 }, (_, index) => index + 1),
  ],
  ["a0", {}],
  ["a26161016162820203", { a: 1, b: [2, 3] }],
  ["826161a161626163", ["a", { b: "c" }]],
  ["a56161614161626142616361436164614461656145", { a: "A", b: "B", c: "C", d: "D", e: "E" }],
];

/** Vectors of floats that have an integer's value: the writer prefers the integer. */
const READ_ONLY: readonly (readonly [string, unknown])[] = [
  ["f90000", 0],
  ["f93c00", 1],
  ["f97bff", 65_504],
  ["fa7f800000", Number.POSITIVE_INFINITY],
  ["fa7fc00000", Number.NaN],
  ["faff800000", Number.NEGATIVE_INFINITY],
  ["fb7ff0000000000000", Number.POSITIVE_INFINITY],
  ["fb7ff8000000000000", Number.NaN],
  ["fbfff0000000000000", Number.NEGATIVE_INFINITY],
];

/** Vectors of the appendix that are refused here, and why. */
const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["c249010000000000000000", /tag 2 is not known/],
  ["c349010000000000000000", /tag 3 is not known/],
  ["f0", /simple value/],
  ["f818", /simple value/],
  ["f8ff", /simple value/],
  ["c074323031332d30332d32315432303a30343a30305a", /tag 0 is not known/],
  ["d74401020304", /tag 23 is not known/],
  ["d818456449455446", /tag 24 is not known/],
  ["d82076687474703a2f2f7777772e6578616d706c652e636f6d", /tag 32 is not known/],
  ["a201020304", /key of a map is not text/],
  ["5f42010243030405ff", /indefinite/],
  ["7f657374726561646d696e67ff", /indefinite/],
  ["9fff", /indefinite/],
  ["9f018202039f0405ffff", /indefinite/],
  ["83018202039f0405ff", /indefinite/],
  ["bf61610161629f0203ffff", /indefinite/],
];

describe("CBOR, appendix A of RFC 8949", () => {
  it.each(VECTORS)("%s both ways", (bytes, value) => {
    expect(hex(encodeCbor(value))).toBe(bytes === "fa47c35000" ? "1a000186a0" : writtenAs(bytes));
    expect(decodeCbor(fromHex(bytes))).toEqual(value);
  });

  it.each(READ_ONLY)("%s is read", (bytes, value) => {
    expect(decodeCbor(fromHex(bytes))).toEqual(value);
  });

  it.each(REFUSED)("%s is refused", (bytes, what) => {
    refused(() => decodeCbor(fromHex(bytes)), what);
  });
});

/** -4.0 is an integer for JavaScript. */
function writtenAs(bytes: string): string {
  return bytes === "f9c400" ? "23" : bytes;
}

describe("CBOR, both ways", () => {
  const leaf = fc.oneof(
    fc.constantFrom(null, undefined, true, false),
    fc.maxSafeInteger(),
    fc.double(),
    fc.float(),
    fc.bigInt({ min: -(1n << 64n), max: (1n << 64n) - 1n }).filter(isUnsafe),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary", maxLength: 80 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.date({ noInvalidDate: true }),
  );
  const { value: anyValue } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: "small" }, leaf, tie("list"), tie("map")),
    list: fc.array(tie("value"), { maxLength: 30 }),
    map: fc.dictionary(fc.oneof(fc.string(), fc.constant("__proto__")), tie("value"), {
      noNullPrototype: true,
    }),
  }));

  it("gives back what was written, also from the middle of a larger buffer", () => {
    const property = fc.property(anyValue, fc.nat(20), (value, before) => {
      const bytes = encodeCbor(value);
      const around = new Uint8Array(bytes.length + 2 * before).fill(0xff);
      around.set(bytes, before);
      expect(decodeCbor(around.subarray(before, before + bytes.length))).toStrictEqual(value);
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  it("writes all 65,536 half floats as themselves", () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x1_0000; bits++) {
      const value = decodeCbor(Uint8Array.of(0xf9, bits >> 8, bits & 0xff)) as number;
      if (Number.isNaN(value) || (Number.isInteger(value) && !Object.is(value, -0))) continue;
      if (hex(encodeCbor(value)) !== `f9${bits.toString(16).padStart(4, "0")}`) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it("keeps every date to the millisecond, up to the ends of its range", () => {
    for (const ms of [-8.64e15, -8.64e15 + 1, -4.42e15 - 136, -1, 0, 1, 8.64e15 - 1, 8.64e15]) {
      expect((decodeCbor(encodeCbor(new Date(ms))) as Date).getTime()).toBe(ms);
    }
  });

  it("keeps integers around each length of the head", () => {
    for (const power of [0, 4, 5, 8, 16, 32, 53]) {
      for (const step of [-2, -1, 0, 1]) {
        for (const sign of [1, -1]) {
          const value = sign * (2 ** power + step) || 0;
          expect(decodeCbor(encodeCbor(value))).toBe(value);
        }
      }
    }
    const edge = BigInt(Number.MAX_SAFE_INTEGER);
    expect(decodeCbor(encodeCbor(edge))).toBe(Number.MAX_SAFE_INTEGER);
    expect(decodeCbor(encodeCbor(edge + 1n))).toBe(edge + 1n);
    expect(decodeCbor(encodeCbor(-edge))).toBe(-Number.MAX_SAFE_INTEGER);
    expect(decodeCbor(encodeCbor(-edge - 1n))).toBe(-edge - 1n);
  });

  it("copies byte strings, so that a receive buffer may be used again", () => {
    const bytes = Buffer.from([0x43, 1, 2, 3]);
    const value = decodeCbor(bytes) as Uint8Array;
    bytes.fill(0);
    expect(value).toEqual(Uint8Array.of(1, 2, 3));
    expect(value.buffer.byteLength).toBe(3);
  });

  it("keeps a key named like a part of the prototype to the map itself", () => {
    const text = '{"__proto__":{"isAdmin":true},"constructor":1,"toString":2,"x":3}';
    const value = decodeCbor(encodeCbor(JSON.parse(text))) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(["__proto__", "constructor", "toString", "x"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(value.isAdmin).toBeUndefined();
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
    expect(JSON.stringify(value)).toBe(text);
  });

  it("keeps a byte order mark and members that are undefined", () => {
    const value = { mark: "\ufeffa", none: undefined };
    expect(decodeCbor(encodeCbor(value))).toStrictEqual(value);
  });

  it("writes plain objects of another realm", () => {
    const value: unknown = runInNewContext("({ a: [new Date(0), new Uint8Array(2)] })");
    expect(decodeCbor(encodeCbor(value))).toEqual({ a: [new Date(0), new Uint8Array(2)] });
  });
});

function isUnsafe(value: bigint): boolean {
  return value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER);
}

describe("encodeCbor refuses", () => {
  it.each([
    ["a function", () => 0, /function/],
    ["a symbol", Symbol("s"), /symbol/],
    ["a symbol within", [{ a: Symbol("s") }], /symbol/],
    ["a bigint of 65 bits", 1n << 64n, /more than 64 bits/],
    ["a negative one", -(1n << 64n) - 1n, /more than 64 bits/],
    ["a map object", new Map([["a", 1]]), /instance of Map/],
    ["other views", new Float32Array(2), /instance of Float32Array/],
    ["an error", new Error("e"), /instance of Error/],
    ["a promise", Promise.resolve(1), /instance of Promise/],
    ["an invalid date", new Date(Number.NaN), /date is invalid/],
    ["half a character", "a\ud800", /surrogate/],
    ["half a character in a long text", `${"a".repeat(100)}\udc00`, /surrogate/],
    ["half a character in a key", { "\ud800": 1 }, /surrogate/],
  ])("%s", (_name, value, what) => {
    refused(() => encodeCbor(value), what);
  });

  it("a cycle", () => {
    const list: unknown[] = [];
    list.push({ list });
    refused(() => encodeCbor(list), /levels, or a cycle/);
  });

  it("a getter that throws, with its error as the cause", () => {
    const cause = new Error("mine");
    const value = Object.defineProperty({}, "a", {
      enumerable: true,
      get: () => {
        throw cause;
      },
    });
    refused(() => encodeCbor(value), /cannot be read/);
    expect(() => encodeCbor(value)).toThrow(expect.objectContaining({ cause }));
  });

  it("what is larger than any link accepts, without a cycle too", () => {
    const fits = new Uint8Array(MESSAGE_BYTES_HARD_MAX - 5);
    expect(encodeCbor(fits).length).toBe(MESSAGE_BYTES_HARD_MAX);
    const larger = new Uint8Array(MESSAGE_BYTES_HARD_MAX - 4);
    refused(() => encodeCbor(larger), /more than 16777216 bytes/, "QW_MESSAGE_TOO_LARGE");
    // 2^60 leaves.
    let value: unknown = [];
    for (let level = 0; level < 60; level++) value = [value, value];
    refused(() => encodeCbor(value), /more than 262144 arrays/);
  });
});

describe("decodeCbor refuses", () => {
  it.each([
    ["nothing at all", "", /ends too early/],
    ["a second value", "0000", /1 bytes after the value/],
    ["a cut head", "19ff", /ends too early/],
    ["a cut float", "fb0000", /ends too early/],
    ["text that is longer than the rest", "6561", /5 bytes are claimed and 1 are left/],
    ["bytes of 2^64", "5bffffffffffffffff00", /18446744073709551615 bytes are claimed/],
    ["an array of 2^64", "9bffffffffffffffff00", /18446744073709551615 entries are claimed/],
    ["a map of 2^32 - 1", "baffffffff00", /4294967295 entries are claimed/],
    ["a map that cannot fit by one", "a2616101", /2 entries are claimed/],
    ["an array that leaves nothing for the one around it", "8282f6f6", /2 entries are claimed/],
    ["text that is not UTF-8", "62c328", /not UTF-8/],
    ["a surrogate in UTF-8", "63eda080", /not UTF-8/],
    ["a key that stands twice", "a2616101616102", /key stands twice/],
    ["`__proto__` twice", "a2695f5f70726f746f5f5f01695f5f70726f746f5f5f02", /key stands twice/],
    ["a reserved head", "1c", /reserved form/],
    ["a break alone", "ff", /break/],
    ["a date that is text", "c16161", /date is not a number/],
    ["a date in a date", "c1c100", /date is not a number/],
    ["a date that is not finite", "c1f97e00", /date is out of range/],
    ["a date beyond the range", "c11bffffffffffffffff", /date is out of range/],
    ["true as a date", "c1f5", /date is not a number/],
  ])("%s", (_name, bytes, what) => {
    refused(() => decodeCbor(fromHex(bytes)), what);
  });

  it("any bytes with nothing but a `QWormholeError`", () => {
    const heads = fc.constantFrom(0x18, 0x3b, 0x43, 0x63, 0x82, 0x9a, 0xa1, 0xb8, 0xc1, 0xf9, 0xfb);
    const bytes = fc.array(fc.oneof(fc.nat(255), heads), { maxLength: 200 });
    const property = fc.property(bytes, (list) => {
      try {
        const value = decodeCbor(Uint8Array.from(list));
        expect(decodeCbor(encodeCbor(value))).toStrictEqual(value);
      } catch (error) {
        if (!isQWormholeError(error, "QW_MESSAGE_INVALID")) throw error;
      }
    });
    fc.assert(property, { numRuns: 5_000 });
  });

  it("levels beyond the limit, as many as there may be", () => {
    const nested = (levels: number) => [...Array<number>(levels).fill(0x81), 0xf6];
    expect(() => decodeCbor(Uint8Array.from(nested(CBOR_DEPTH_MAX)))).not.toThrow();
    refused(() => decodeCbor(Uint8Array.from(nested(CBOR_DEPTH_MAX + 1))), /more than 64 levels/);
    const maps = Buffer.from("a16161".repeat(100_000), "hex");
    refused(() => decodeCbor(maps), /more than 64 levels/);
    refused(() => decodeCbor(new Uint8Array(1_000_000).fill(0xc1)), /date is not a number/);
    expect(decodeCbor(encodeCbor(listOf(CBOR_DEPTH_MAX)))).toEqual(listOf(CBOR_DEPTH_MAX));
    refused(() => encodeCbor(listOf(CBOR_DEPTH_MAX + 1)), /levels/);
  });

  it("more small objects than its memory would bear", () => {
    for (const object of [[], {}, new Uint8Array(), new Date(0)]) {
      const most = Array<unknown>(CBOR_OBJECTS_MAX - 1).fill(object);
      const bytes = encodeCbor(most);
      expect(decodeCbor(bytes)).toHaveLength(most.length);
      refused(() => encodeCbor([most]), /more than 262144 arrays/);
      refused(() => decodeCbor(Buffer.concat([fromHex("81"), bytes])), /more than 262144 arrays/);
    }
  });

  it("claims of many entries before memory is taken for them", () => {
    // Each of 64 levels claims as many entries as there are bytes: 64 times 8 MB, if believed.
    const claims = Buffer.alloc(1 << 20, 0xf6);
    for (let level = 0; level < CBOR_DEPTH_MAX; level++) {
      claims.writeUInt8(0x9a, 5 * level);
      claims.writeUInt32BE(claims.length - 5 * (level + 1), 5 * level + 1);
    }
    const lengths = allocatedArrays(() => {
      refused(() => decodeCbor(claims), /entries are claimed/);
    });
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(claims.length);
  });
});

/** `levels` lists within each other. */
function listOf(levels: number): unknown {
  let value: unknown = null;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

/** Lengths of the arrays that `run` makes by `new Array(length)`. */
function allocatedArrays(run: () => void): number[] {
  const lengths: number[] = [];
  const original = globalThis.Array;
  globalThis.Array = new Proxy(original, {
    construct(target, parameters: unknown[], newTarget) {
      lengths.push(Number(parameters[0]));
      return Reflect.construct(target, parameters, newTarget) as object;
    },
  });
  try {
    run();
  } finally {
    globalThis.Array = original;
  }
  return lengths;
}
