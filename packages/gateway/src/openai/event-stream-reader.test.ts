import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventStreamReader } from "./event-stream-reader.js";
import { UPSTREAM_EVENT_CHARACTERS_MAX } from "./limits.js";

function read(bytes: Uint8Array, cuts: readonly number[]): string[] {
  const reader = new EventStreamReader();
  const events: string[] = [];
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    events.push(...reader.feed(bytes.subarray(from, Math.min(cut, bytes.length))));
    from = Math.min(cut, bytes.length);
  }
  events.push(...reader.feed(bytes.subarray(from)), ...reader.end());
  return events;
}

describe("the reader of event streams", () => {
  it("finds the same events wherever the bytes are cut and however lines end", () => {
    const data = fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n]/g, ""));
    const cases = fc.record({
      events: fc.array(data, { maxLength: 8 }),
      end: fc.constantFrom("\n", "\r\n", "\r"),
      cuts: fc.array(fc.nat(300), { maxLength: 10 }),
    });
    fc.assert(
      fc.property(cases, ({ events, end, cuts }) => {
        const text = events.map((event) => `: note${end}data: ${event}${end}${end}`).join("");
        expect(read(Buffer.from(text), cuts)).toEqual(events);
      }),
      { numRuns: 200 },
    );
  });

  it("joins lines of data, and gives an event that nothing follows", () => {
    expect(read(Buffer.from("event: x\nid: 1\ndata:a\ndata: b\n\ndata: c"), [])).toEqual([
      ...["a\nb", "c"],
    ]);
  });

  it("refuses an event without an end", () => {
    const reader = new EventStreamReader();
    const piece = Buffer.alloc(UPSTREAM_EVENT_CHARACTERS_MAX, "x");
    reader.feed(piece);
    expect(() => reader.feed(piece)).toThrow(
      expect.objectContaining({ code: "MESH_UPSTREAM_FAILED" }),
    );
  });
});
