import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, fromBase32, toBase32 } from "./encoding.js";
import { isMeshError } from "./errors.js";

describe("base32", () => {
  it("matches the vectors of RFC 4648", () => {
    const vectors = {
      "": "",
      f: "my",
      fo: "mzxq",
      foo: "mzxw6",
      foob: "mzxw6yq",
      foobar: "mzxw6ytboi",
    };
    for (const [plain, text] of Object.entries(vectors)) {
      expect(toBase32(Buffer.from(plain))).toBe(text);
      expect(Buffer.from(fromBase32(text)).toString()).toBe(plain);
    }
  });

  it("comes back for any bytes, in either case", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(fromBase32(toBase32(bytes))).toEqual(bytes);
        expect(fromBase32(toBase32(bytes).toUpperCase())).toEqual(bytes);
      }),
    );
  });

  it("refuses other characters", () => {
    expect(() => fromBase32("mzx1")).toThrowError(/not base32/);
  });
});

describe("canonical JSON", () => {
  it("is one text for one value, whatever the order of keys", () => {
    expect(canonicalJson({ b: [1, { d: true, c: null }], a: "x", e: undefined })).toBe(
      '{"a":"x","b":[1,{"c":null,"d":true}]}',
    );
  });

  it("means the same as JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

it("errors of decoding have a code", () => {
  try {
    fromBase32("!");
    expect.unreachable();
  } catch (error) {
    expect(isMeshError(error, "MESH_BAD_REQUEST")).toBe(true);
  }
});
