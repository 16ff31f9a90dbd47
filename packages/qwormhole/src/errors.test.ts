import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isQWormholeError, QWORMHOLE_ERRORS, QWormholeError } from "./errors.js";
import { FrameType, PayloadReader } from "./frames.js";
import { decodeWireError, encodeWireError, toWireError } from "./wire-error.js";

const specification = readFileSync(new URL("../../../docs/wire.md", import.meta.url), "utf8");

describe("the specification", () => {
  it("has every error with its sentence and hint", () => {
    const missing = Object.entries(QWORMHOLE_ERRORS).filter(
      ([code, { doc, hint }]) => !specification.includes(`| \`${code}\` | ${doc}. ${hint} |`),
    );
    expect(missing).toEqual([]);
  });

  it("has every frame type with its number", () => {
    const missing = Object.entries(FrameType).filter(([name, number]) => {
      const row = specification.split("\n").find((line) => new RegExp(`\\b${name}\\b`).test(line));
      return !row?.includes(`\`${number.toString(16).padStart(2, "0")}\``);
    });
    expect(missing).toEqual([]);
  });
});

describe("errors", () => {
  it("have a code, a sentence and a hint", () => {
    const error = new QWormholeError("QW_QUEUE_FULL");
    expect(isQWormholeError(error, "QW_QUEUE_FULL")).toBe(true);
    expect(isQWormholeError(error, "QW_LINK_LOST")).toBe(false);
    expect(isQWormholeError(new Error("x"))).toBe(false);
    expect(error.message).toBe(QWORMHOLE_ERRORS.QW_QUEUE_FULL.doc);
    expect(error.hint).toBe(QWORMHOLE_ERRORS.QW_QUEUE_FULL.hint);
  });

  it("are cut to their limits on the wire, between characters", () => {
    const long = Object.assign(new Error("ü".repeat(5000)), {
      code: "C".repeat(500),
      wireDetails: new Uint8Array(70_000),
    });
    const bytes = encodeWireError(toWireError(long));
    const back = decodeWireError(new PayloadReader(bytes, 0, bytes.length));
    expect(back.code).toBe("C".repeat(128));
    expect(back.message).toBe("ü".repeat(2048));
    expect(back.details).toHaveLength(0);
  });
});
