import { describe, expect, it } from "vitest";
import { formatBytes, parseDurationMs, parseSizeBytes } from "./units.js";

describe("durations", () => {
  it("reads what guides write", () => {
    expect(parseDurationMs("24h")).toBe(86_400_000);
    expect(parseDurationMs("7d")).toBe(7 * 86_400_000);
    expect(parseDurationMs("1h30m")).toBe(5_400_000);
    expect(parseDurationMs("250ms")).toBe(250);
  });

  it("refuses the rest", () => {
    for (const text of ["", "7", "d", "7 days", "-1h", "1h foo"]) {
      expect(() => parseDurationMs(text), text).toThrowError(/not a duration/);
    }
  });
});

describe("sizes", () => {
  it("knows decimal and binary units", () => {
    expect(parseSizeBytes("512MB")).toBe(512_000_000);
    expect(parseSizeBytes("1.5 GiB")).toBe(1.5 * 2 ** 30);
    expect(parseSizeBytes("4096")).toBe(4096);
  });

  it("refuses the rest", () => {
    for (const text of ["", "MB", "-1MB", "1XB", "1 2MB"]) {
      expect(() => parseSizeBytes(text), text).toThrowError(/not a size/);
    }
  });

  it("writes sizes for people", () => {
    expect([0, 1023, 1024, 1536, 50 * 2 ** 30].map(formatBytes)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.5 KiB",
      "50 GiB",
    ]);
  });
});
