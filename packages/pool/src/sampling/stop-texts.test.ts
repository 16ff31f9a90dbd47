import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopTexts } from "./stop-texts.js";

/** What is shown of pieces until a stop text, and whether one came. */
function shown(stops: readonly string[], pieces: readonly string[]): [string, boolean] {
  const filter = new StopTexts(stops);
  let text = "";
  for (const piece of pieces) {
    const result = filter.push(piece);
    text += result.text;
    if (result.stopped) return [text, true];
  }
  return [text + filter.end(), false];
}

describe("texts that stop an answer", () => {
  it("are found across pieces, and never shown", () => {
    expect(shown(["\nUser:"], ["Hi", "\n", "Us", "er: no"])).toEqual(["Hi", true]);
    expect(shown(["\nUser:"], ["Hi", "\n", "Useful"])).toEqual(["Hi\nUseful", false]);
    expect(shown(["aab"], ["a", "a", "a", "b"])).toEqual(["a", true]);
  });

  it("hold back no more than they must", () => {
    const filter = new StopTexts(["END"]);
    expect(filter.push("the E").text).toBe("the ");
    expect(filter.push("x").text).toBe("Ex");
    expect(filter.push("EN").text).toBe("");
    expect(filter.end()).toBe("EN");
    expect(filter.end()).toBe("");
  });

  it("give what one look at the whole text gives, however it is cut", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 20 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), stops, (pieces, texts) => {
        const all = pieces.join("");
        const wanted = texts.filter((text) => text !== "");
        const [text, stopped] = shown(texts, pieces);
        expect(stopped).toBe(wanted.some((stop) => all.includes(stop)));
        if (!stopped) expect(text).toBe(all);
        else {
          // What is shown is followed by a stop text; none is complete before that.
          expect(all.startsWith(text)).toBe(true);
          expect(wanted.some((stop) => all.startsWith(stop, text.length))).toBe(true);
          expect(wanted.some((stop) => text.includes(stop))).toBe(false);
        }
      }),
    );
  });

  it("are bounded", () => {
    expect(() => new StopTexts(Array.from({ length: 17 }, () => "x"))).toThrow(/at most 16/);
    expect(() => new StopTexts(["x".repeat(1025)])).toThrow(/at most 1024/);
  });
});
