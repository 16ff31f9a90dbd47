import { describe, expect, it } from "vitest";
import { readForwardedCall } from "./coordinator-wire.js";

const PERSON = {
  kind: "person",
  spiffeId: "spiffe://home.alice/person/carol@home.alice",
  trustDomain: "home.alice",
  name: "carol@home.alice",
  nodeId: "a".repeat(52),
  serial: "01",
  notAfterMs: 9,
};
const call = (principal: object) => ({
  principal,
  method: "file.stat",
  header: {},
  holder: "b".repeat(52),
});

describe("a call that a coordinator passes on", () => {
  it("keeps who it is for, also somebody of another member", () => {
    expect(readForwardedCall(call(PERSON)).principal).toEqual(PERSON);
    const foreign = { ...PERSON, kind: "foreign", foreignKind: "person" };
    expect(readForwardedCall(call(foreign)).principal).toEqual(foreign);
  });

  it("never loses that somebody is of another member", () => {
    for (const kind of ["foreign", "operator", ""]) {
      const read = () => readForwardedCall(call({ ...PERSON, kind }));
      expect(read).toThrow(expect.objectContaining({ code: "MESH_BAD_REQUEST" }));
    }
    const twice = { ...PERSON, kind: "foreign", foreignKind: "foreign" };
    expect(() => readForwardedCall(call(twice))).toThrow(/foreignKind/);
  });
});
