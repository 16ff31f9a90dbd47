import { describe, expect, it } from "vitest";
import { renewalStep } from "./renewal.js";

describe("a certificate", () => {
  const validity = { notBeforeMs: 0, notAfterMs: 1000 };

  it("waits in the first half of its life", () => {
    expect(renewalStep(validity, 0, 0)).toBe("wait");
    expect(renewalStep(validity, 499, 0)).toBe("wait");
  });

  it("is renewed from half of its life on, spread over a tenth", () => {
    expect(renewalStep(validity, 500, 0)).toBe("renew");
    expect(renewalStep(validity, 550, 0.99)).toBe("wait");
    expect(renewalStep(validity, 600, 0.99)).toBe("renew");
    expect(renewalStep(validity, 999, 0.99)).toBe("renew");
  });

  it("is recovered when it has ended, also after a long sleep", () => {
    expect(renewalStep(validity, 1000, 0)).toBe("recover");
    expect(renewalStep(validity, 1e12, 0)).toBe("recover");
  });

  it("is recovered when it was given by a clock that was days ahead", () => {
    expect(renewalStep(validity, -1, 0)).toBe("recover");
  });
});
