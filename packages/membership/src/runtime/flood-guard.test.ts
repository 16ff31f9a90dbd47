import { describe, expect, it } from "vitest";
import { FloodGuard } from "./flood-guard.js";
import {
  FORGED_BURST,
  OPENED_DATAGRAMS_BURST,
  SENDER_DATAGRAMS_BURST,
  WRONG_PROOFS_BURST,
} from "./limits.js";

const count = (times: number, isAllowed: () => boolean) =>
  Array.from({ length: times }, isAllowed).filter((allowed) => allowed).length;

describe("the guard against floods", () => {
  it("takes so much of one sender, and of another as before", () => {
    const guard = new FloodGuard(0);
    expect(count(5000, () => guard.mayTake("a", 0))).toBe(SENDER_DATAGRAMS_BURST);
    expect(guard.mayTake("b", 0)).toBe(true);
    expect(guard.mayTake("a", 1000)).toBe(true);
  });

  it("looks at so many forged datagrams of one address", () => {
    const guard = new FloodGuard(0);
    const opened = count(500, () => {
      const isAllowed = guard.mayOpen("10.0.0.9:1", 0);
      if (isAllowed) guard.sawForged("10.0.0.9:1", 0);
      return isAllowed;
    });
    expect(opened).toBe(FORGED_BURST);
    expect(guard.mayOpen("10.0.0.8:1", 0)).toBe(true);
  });

  it("opens so many of all together, whatever addresses are made up", () => {
    const guard = new FloodGuard(0);
    let address = 0;
    expect(count(5000, () => guard.mayOpen(`made-up:${address++}`, 0))).toBe(
      OPENED_DATAGRAMS_BURST,
    );
  });

  it("verifies so many wrong proofs of one teller, and right ones without that limit", () => {
    const guard = new FloodGuard(0);
    const verified = count(500, () => {
      const isAllowed = guard.mayVerify("liar", 0);
      if (isAllowed) guard.sawWrongProof("liar", 0);
      return isAllowed;
    });
    expect(verified).toBe(WRONG_PROOFS_BURST);
    expect(count(500, () => guard.mayVerify("honest", 0))).toBe(500);
  });
});
