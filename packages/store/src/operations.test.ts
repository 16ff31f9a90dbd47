import { isMeshError } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { jsonValue, parseJsonValue, put } from "./operations.js";

describe("JSON values", () => {
  it("come back as they were", () => {
    const value = { name: "é😀", list: [1, null, true] };
    expect(parseJsonValue(jsonValue(value))).toEqual(value);
  });

  it("refuse what JSON cannot hold and bytes that are not JSON", () => {
    const codeOf = (work: () => unknown) => {
      try {
        return work();
      } catch (error) {
        return isMeshError(error) ? error.code : error;
      }
    };
    expect(codeOf(() => jsonValue(undefined))).toBe("MESH_BAD_REQUEST");
    expect(codeOf(() => parseJsonValue(new Uint8Array([0x7b])))).toBe("MESH_STORE_CORRUPT");
    expect(codeOf(() => parseJsonValue(new Uint8Array([0x22, 0xff, 0x22])))).toBe(
      "MESH_STORE_CORRUPT",
    );
  });
});

describe("put", () => {
  it("names a lease only when there is one", () => {
    const value = new Uint8Array(0);
    expect(put("a", value)).toEqual({ type: "put", key: "a", value });
    expect(put("a", value, 7)).toEqual({ type: "put", key: "a", value, leaseId: 7 });
  });
});
