import { describe, expect, it } from "vitest";
import { checkRegister, type RegisterRead, type RegisterWrite } from "./register-checker.js";

const write = (version: string, from: number, to?: number): RegisterWrite => ({
  version,
  calledAtMs: from,
  answeredAtMs: to,
});
const read = (version: string | undefined, from: number, to: number): RegisterRead => ({
  reader: "bob",
  version,
  calledAtMs: from,
  answeredAtMs: to,
});
const check = (writes: RegisterWrite[], reads: RegisterRead[]) =>
  checkRegister({ path: "/p", writes, reads });

describe("checkRegister", () => {
  it("accepts what some order explains", () => {
    expect(check([], [read(undefined, 0, 1)])).toEqual([]);
    expect(check([write("a", 0, 10)], [read("a", 2, 3), read(undefined, 2, 3)])).toEqual([]);
    expect(check([write("a", 0, 5), write("b", 3, 8)], [read("a", 9, 10)])).toEqual([]);
    expect(
      check([write("a", 0, 1), write("b", 2)], [read("a", 50, 51), read("b", 60, 61)]),
    ).toEqual([]);
  });

  it("finds a lost write", () => {
    expect(check([write("a", 0, 1)], [read(undefined, 2, 3)])).toEqual([
      "/p: bob found no file although a had been written",
    ]);
  });

  it("finds a stale read", () => {
    expect(check([write("a", 0, 1), write("b", 2, 3)], [read("a", 4, 5)])).toEqual([
      "/p: bob read a although b had replaced it",
    ]);
  });

  it("finds a value from nowhere and one from the future", () => {
    expect(check([], [read("x", 0, 1)])[0]).toContain("nobody wrote");
    expect(check([write("a", 5, 6)], [read("a", 0, 1)])[0]).toContain("before it was written");
  });
});
