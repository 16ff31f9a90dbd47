import { limits } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventParser } from "./key-value-events.js";

function parse(text: string, cuts: readonly number[] = []) {
  const bytes = Buffer.from(text);
  const parser = new EventParser();
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (one, other) => one - other,
  );
  let from = 0;
  return places.flatMap((to) => {
    const events = parser.feed(bytes.subarray(from, to));
    from = to;
    return events;
  });
}

const STREAM =
  ": welcome\n\nevent: ready\ndata: {}\n\n\r\nid: 7\r\nevent: change\r\ndata: größe\r\n" +
  "data:two\r\nretry: 5\r\nunknown\r\n\r\ndata: plain\r\rid: 9\n\ndata";

describe("an event stream", () => {
  it("is read as the standard says, wherever it is cut", () => {
    const expected = [
      { type: "ready", data: "{}", id: undefined },
      { type: "change", data: "größe\ntwo", id: "7" },
      { type: "message", data: "plain", id: undefined },
    ];
    expect(parse(STREAM)).toEqual(expected);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (cuts) => {
        expect(parse(STREAM, cuts)).toEqual(expected);
      }),
    );
  });

  it("gives back any texts that were sent", () => {
    const line = fc.string({ unit: "binary" }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1 }), fc.array(fc.nat()), (lines, cuts) => {
        const text = lines.map((one) => `data: ${one}\n\n`).join("");
        expect(parse(text, cuts).map(({ data }) => data)).toEqual(
          lines.map((one) => Buffer.from(one).toString()),
        );
      }),
    );
  });

  it("is bounded, for one long line and for many short ones", () => {
    const piece = Buffer.alloc(1 << 20, "x");
    const feedAll = (bytes: Uint8Array) => {
      const parser = new EventParser();
      for (let fed = 0; fed <= 2 * limits.HTTP_ANSWER_BYTES_MAX; fed += bytes.length) {
        parser.feed(bytes);
      }
    };
    expect(() => feedAll(piece)).toThrow(/too long/);
    expect(() => feedAll(Buffer.from("data: 12345678\n".repeat(70_000)))).toThrow(/too long/);
    const quiet = new EventParser();
    const comments = Buffer.from(": still here\n\n".repeat(10_000));
    for (let round = 0; round < 130; round++) expect(quiet.feed(comments)).toEqual([]);
  });
});
