import { describe, expect, it } from "vitest";
import { parseTransaction } from "./kv-txn-form.js";

const parse = (form: object) => parseTransaction(JSON.stringify(form));

function form(conditions: object[], operations: object[], more: object = {}) {
  const [first, last] = [conditions, operations].map((one) => JSON.stringify(one));
  const rest = JSON.stringify(more).slice(1);
  return parseTransaction(`{"if":${first},"then":${last}${rest === "}" ? "}" : `,${rest}`}`);
}

describe("the form of a transaction", () => {
  it("has a word for every comparison and operation", () => {
    const conditions = [
      { key: "a", exists: true },
      { key: "a", exists: false },
      { key: "a", value: "grün" },
      { key: "a", valueBase64: "AP8=", is: "!=" },
      { key: "a", revision: 12 },
      { key: "a", createRevision: 12, is: ">" },
      { key: "a", version: 3, is: "<" },
    ];
    const operations = [
      { put: "a", value: "1" },
      { put: "a", valueBase64: "AP8=", lease: 7 },
      { put: "a", json: { size: [1] } },
      { delete: "a" },
      { deletePrefix: "a/" },
      { get: "a" },
    ];
    expect(form(conditions, operations, { fence: { lock: "l", token: "5" } })).toEqual({
      compare: [
        { key: "a", target: "createRevision", is: "!=", value: 0 },
        { key: "a", target: "createRevision", is: "=", value: 0 },
        { key: "a", target: "value", is: "=", value: "grün" },
        { key: "a", target: "value", is: "!=", value: Buffer.from([0, 255]) },
        { key: "a", target: "modRevision", is: "=", value: 12 },
        { key: "a", target: "createRevision", is: ">", value: 12 },
        { key: "a", target: "version", is: "<", value: 3 },
      ],
      success: [
        { type: "put", key: "a", value: "1" },
        { type: "put", key: "a", value: Buffer.from([0, 255]), leaseId: 7 },
        { type: "put", key: "a", value: '{"size":[1]}' },
        { type: "delete", key: "a" },
        { type: "deletePrefix", prefix: "a/" },
        { type: "get", key: "a" },
      ],
      failure: [],
      fence: { lock: "l", token: 5 },
    });
  });

  it("says where it is wrong", () => {
    const wrong: [RegExp, () => unknown][] = [
      [/not JSON/, () => parseTransaction("{")],
      [/must be an object/, () => parseTransaction("[]")],
      [/"then" is missing/, () => parse({ if: [] })],
      [/"done", which is unknown/, () => form([], [], { done: [] })],
      [/"else" must be a list/, () => form([], [], { else: {} })],
      [/then\[1\] must have one of put/, () => form([], [{ get: "a" }, {}])],
      [/then\[0\] must have only one of put/, () => form([], [{ get: "a", delete: "a" }])],
      [/then\[0\] must have one of value/, () => form([], [{ put: "a" }])],
      [/then\[0\].get must be a text/, () => form([], [{ get: 1 }])],
      [/"value" belongs to a put/, () => form([], [{ get: "a", value: "x" }])],
      [/valueBase64 is not base64/, () => form([], [{ put: "a", valueBase64: "%" }])],
      [/lease must be the number/, () => form([], [{ put: "a", value: "", lease: "7" }])],
      [/if\[0\].key must be a text/, () => form([{ exists: true }], [])],
      [/if\[0\] must have one of exists/, () => form([{ key: "a" }], [])],
      [/exists must be true or false/, () => form([{ key: "a", exists: 1 }], [])],
      [/"exists" stands alone/, () => form([{ key: "a", exists: true, is: "=" }], [])],
      [/is must be one of/, () => form([{ key: "a", version: 1, is: "~" }], [])],
      [/by = and != alone/, () => form([{ key: "a", value: "", is: "<" }], [])],
      [/version must be a whole number/, () => form([{ key: "a", version: 1.5 }], [])],
      [/fence.token/, () => form([], [], { fence: { lock: "a" } })],
    ];
    for (const [pattern, call] of wrong) expect(call, String(pattern)).toThrow(pattern);
  });
});
