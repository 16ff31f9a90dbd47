import { describe, expect, it } from "vitest";
import { EnrolmentLimiter } from "./enrolment-limiter.js";

const limited = expect.objectContaining({ code: "MESH_LIMIT" });

function attempts(limiter: EnrolmentLimiter, address: string, count: number, atMs = 0): number {
  let admitted = 0;
  for (let i = 0; i < count; i++) {
    try {
      limiter.admit(address, atMs);
      admitted++;
    } catch (error) {
      expect(error).toEqual(limited);
    }
  }
  return admitted;
}

describe("EnrolmentLimiter", () => {
  it("admits so many a minute from one address, then more with time", () => {
    const limiter = new EnrolmentLimiter({ perAddressPerMinute: 30 });
    expect(attempts(limiter, "10.0.0.1", 50)).toBe(30);
    expect(attempts(limiter, "10.0.0.1", 5, 1_999)).toBe(0);
    expect(attempts(limiter, "10.0.0.1", 5, 4_000)).toBe(2);
    expect(attempts(limiter, "10.0.0.2", 50)).toBe(30);
    expect(attempts(limiter, "10.0.0.1", 50, 1e9)).toBe(30);
  });

  it("says how long to wait", () => {
    const limiter = new EnrolmentLimiter({ perAddressPerMinute: 60 });
    attempts(limiter, "a", 60);
    expect(() => limiter.admit("a", 0)).toThrow(
      expect.objectContaining({ details: { retryAfterMs: 1000 } }),
    );
  });

  it("has a limit for all addresses together, which one address cannot use up", () => {
    const limiter = new EnrolmentLimiter({ perAddressPerMinute: 10, totalPerMinute: 25 });
    expect(attempts(limiter, "a", 1000)).toBe(10);
    expect(attempts(limiter, "b", 10)).toBe(10);
    expect(attempts(limiter, "c", 10)).toBe(5);
  });

  it("counts an IPv6 network and an IPv4 address in IPv6 clothes as one", () => {
    const limiter = new EnrolmentLimiter({ perAddressPerMinute: 2 });
    expect(attempts(limiter, "2001:db8::1", 1)).toBe(1);
    expect(attempts(limiter, "2001:db8:0:0:ffff::2", 2)).toBe(1);
    expect(attempts(limiter, "2001:db8:0:1::2", 2)).toBe(2);
    expect(attempts(limiter, "::ffff:10.0.0.1", 2)).toBe(2);
    expect(attempts(limiter, "10.0.0.1", 2)).toBe(0);
    expect(attempts(limiter, "fe80::1%eth0", 3)).toBe(2);
  });

  it("remembers a bounded number of addresses, the busy ones longest", () => {
    const limiter = new EnrolmentLimiter({ perAddressPerMinute: 1, addressesMax: 2 });
    attempts(limiter, "a", 1);
    attempts(limiter, "b", 1);
    expect(attempts(limiter, "a", 1)).toBe(0);
    attempts(limiter, "c", 1);
    expect(attempts(limiter, "a", 1)).toBe(0);
    expect(attempts(limiter, "b", 1)).toBe(1);
  });
});
