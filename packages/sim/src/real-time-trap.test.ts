import { afterEach, describe, expect, it } from "vitest";
import { type RealTimeTrap, setRealTimeTrap } from "./real-time-trap.js";

describe("the real-time trap", () => {
  let trap: RealTimeTrap | undefined;
  afterEach(() => trap?.release());

  it("notes each place once, lets the call through, and ignores others", () => {
    trap = setRealTimeTrap((line) => line.includes("real-time-trap.test"));
    for (let call = 0; call < 3; call++) expect(Date.now()).toBeGreaterThan(0);
    expect(Math.random()).toBeLessThan(1);
    JSON.parse(JSON.stringify(new Date(0)));
    expect(trap.places).toHaveLength(2);
    expect(trap.places[0]).toContain("Date.now called at");
    trap.release();
    trap = setRealTimeTrap(() => false);
    Date.now();
    expect(trap.places).toEqual([]);
  });

  it("puts everything back", () => {
    const before = [Date.now, globalThis.setTimeout, Math.random];
    setRealTimeTrap(() => true).release();
    expect([Date.now, globalThis.setTimeout, Math.random]).toEqual(before);
  });
});
