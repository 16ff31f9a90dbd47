import { describe, expect, it } from "vitest";
import { parseRange } from "./commands/read.js";
import { formatTable } from "./table.js";
import { formatDuration, formatGrantLine, formatMoment, printable } from "./text.js";
import { forEachParallel } from "./trees/parallel.js";

describe("text for people", () => {
  it("makes names from others harmless", () => {
    expect(printable("a\u001b[2Jb\r\nc\u202ed")).toBe("a?[2Jb??c?d");
    expect(printable("Grüße 🙂")).toBe("Grüße 🙂");
  });

  it("lays out columns, also with colours in them", () => {
    const columns = [{ title: "NAME" }, { title: "SIZE", align: "right" as const }];
    expect(
      formatTable(columns, [
        ["\u001b[32mab\u001b[39m", "1"],
        ["longer", "1000"],
      ]),
    ).toEqual(["NAME    SIZE", "\u001b[32mab\u001b[39m         1", "longer  1000"]);
  });

  it("tells times and grants", () => {
    expect([1_000, 600_000, 10_000_000, 400_000_000].map(formatDuration)).toEqual([
      "1 s",
      "10 min",
      "3 h",
      "5 d",
    ]);
    const atMs = Date.UTC(2026, 10, 21, 22, 14, 5);
    expect(formatMoment(atMs)).toMatch(/^2026-11-2\d \d\d:\d\d:05 (UTC|[+-]\d\d:\d\d)$/);
    expect(Date.parse(formatMoment(atMs))).toBe(atMs);
    expect(formatGrantLine({ path: "/shared", rights: ["read", "write"], effect: "allow" })).toBe(
      "/shared: read, write",
    );
  });

  it("reads ranges as first and last byte", () => {
    expect(parseRange("0-99")).toEqual({ start: 0, endInclusive: 99 });
    expect(parseRange("100-")).toEqual({ start: 100 });
    for (const bad of ["", "-5", "9-1", "a-b", "1", "1-2-3"]) {
      expect(() => parseRange(bad)).toThrow(/is not a range/);
    }
  });
});

describe("forEachParallel", () => {
  async function* upTo(count: number) {
    for (let at = 0; at < count; at++) yield at;
  }

  it("does everything, with no more than the allowed number at a time", async () => {
    let now = 0;
    let most = 0;
    const seen: number[] = [];
    await forEachParallel(upTo(50), 4, async (item) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(item);
      now--;
    });
    expect(seen).toHaveLength(50);
    expect(most).toBe(4);
  });

  it("stops at the first failure and closes the source", async () => {
    let closed = false;
    let done = 0;
    async function* source() {
      try {
        for (;;) yield 1;
      } finally {
        closed = true;
      }
    }
    const work = forEachParallel(source(), 3, async () => {
      if (++done === 5) throw new Error("five");
    });
    await expect(work).rejects.toThrow("five");
    expect(closed).toBe(true);
    expect(done).toBeLessThan(10);
  });
});
