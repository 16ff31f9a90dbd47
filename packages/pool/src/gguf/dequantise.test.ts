/**
 * Known answers: blocks are packed here from their fields, as the format defines them, and the
 * numbers that they stand for are computed from the same fields.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TensorType } from "../model/model-shape.js";
import { dequantise } from "./dequantise.js";
import { halfToNumber, numberToHalf } from "./half.js";
import { quantise } from "./quantise.js";

function numbersOf(type: TensorType, bytes: Uint8Array | number[], count: number): number[] {
  const out = new Float32Array(count);
  dequantise(type, Uint8Array.from(bytes), out);
  return [...out];
}

const halfBytes = (value: number): [number, number] => {
  const bits = numberToHalf(value);
  return [bits & 255, bits >> 8];
};
const nat = (max: number) => fc.integer({ min: 0, max });
const list = (length: number, max: number) =>
  fc.array(nat(max), { minLength: length, maxLength: length });
const scale = fc.constantFrom(1, 0.5, -0.25, 2 ** -10, 0.0999755859375);

/** Twelve bytes of eight 6-bit scales and minima, bit by bit as drawn in ggml's documentation. */
function packScales(scales: number[], minima: number[]): number[] {
  const bytes = new Array<number>(12).fill(0);
  for (let group = 0; group < 4; group += 1) {
    const [highScale, highMinimum] = [scales[group + 4]!, minima[group + 4]!];
    bytes[group] = scales[group]! + (highScale >> 4) * 64;
    bytes[group + 4] = minima[group]! + (highMinimum >> 4) * 64;
    bytes[group + 8] = (highScale % 16) + (highMinimum % 16) * 16;
  }
  return bytes;
}

/** 256 numbers of 0..15: the halves of bytes, 64 numbers in 32 bytes. */
function packHalves(values: number[]): number[] {
  return Array.from({ length: 128 }, (_, at) => {
    const base = Math.floor(at / 32) * 64 + (at % 32);
    return (values[base]! % 16) + (values[base + 32]! % 16) * 16;
  });
}

/**
 * What `quantize_row_q4_0_ref` and `quantize_row_q8_0_ref` of ggml 0.25 write for the row
 * below.
 */
const Q4_KNOWN = "00b46c6c5c5b4b4a4a3a3929282818170706";
const Q8_KNOWN = "0824bac0c7cdd4dae0e7edf3fa00060d131920262c333940464c53595f666c72797f";

describe("numbers out of blocks", () => {
  it("F32, F16 and BF16", () => {
    expect(numbersOf("F32", [0, 0, 128, 63, 0, 0, 32, 193], 2)).toEqual([1, -10]);
    expect(numbersOf("F16", [0x00, 0x3c, 0x00, 0xc9, 0x01, 0x00], 3)).toEqual([1, -10, 2 ** -24]);
    expect(numbersOf("BF16", [0x80, 0x3f, 0x20, 0xc1, 0x01, 0x00], 3)).toEqual([1, -10, 2 ** -133]);
    expect(numbersOf("BF16", [0x80, 0x7f, 0xc0, 0x7f], 2)).toEqual([Infinity, Number.NaN]);
  });

  it("Q4_0: eight below the middle, halves of a byte 16 apart", () => {
    const bytes = [
      ...halfBytes(0.5),
      ...Array.from({ length: 16 }, (_, at) => at + (15 - at) * 16),
    ];
    const expected = Array.from({ length: 32 }, (_, at) =>
      at < 16 ? (at - 8) * 0.5 : (15 - (at - 16) - 8) * 0.5,
    );
    expect(numbersOf("Q4_0", bytes, 32)).toEqual(expected);
  });

  it("Q8_0: signed bytes times a scale", () => {
    const values = Array.from({ length: 32 }, (_, at) => at * 8 - 128);
    const bytes = [...halfBytes(-0.25), ...values.map((value) => value & 255)];
    expect(numbersOf("Q8_0", bytes, 32)).toEqual(values.map((value) => value * -0.25));
  });

  it("Q4_K and Q5_K: scales and minima of six bits", () => {
    fc.assert(
      fc.property(
        fc.record({
          d: scale,
          least: scale,
          scales: list(8, 63),
          minima: list(8, 63),
          four: list(256, 15),
          five: list(256, 31),
        }),
        ({ d, least, scales, minima, four, five }) => {
          const head = [...halfBytes(d), ...halfBytes(least), ...packScales(scales, minima)];
          const answer = (values: number[]) =>
            values.map((value, at) => {
              const group = Math.floor(at / 32);
              return Math.fround(d * scales[group]! * value - least * minima[group]!);
            });
          expect(numbersOf("Q4_K", [...head, ...packHalves(four)], 256)).toEqual(answer(four));
          const fifths = Array.from({ length: 32 }, (_, at) =>
            [0, 1, 2, 3, 4, 5, 6, 7].reduce(
              (byte, group) => byte + (five[group * 32 + at]! >> 4) * 2 ** group,
              0,
            ),
          );
          const bytes = [...head, ...fifths, ...packHalves(five)];
          expect(numbersOf("Q5_K", bytes, 256)).toEqual(answer(five));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("Q6_K: six bits in three places, a signed scale for each sixteen", () => {
    fc.assert(
      fc.property(
        fc.record({ d: scale, scales: list(16, 255), values: list(256, 63) }),
        ({ d, scales, values }) => {
          const low = Array.from({ length: 128 }, (_, at) => {
            const base = Math.floor(at / 64) * 128 + (at % 64);
            return (values[base]! % 16) + (values[base + 64]! % 16) * 16;
          });
          const high = Array.from({ length: 64 }, (_, at) => {
            const base = Math.floor(at / 32) * 128 + (at % 32);
            return [0, 1, 2, 3].reduce(
              (byte, run) => byte + (values[base + run * 32]! >> 4) * 4 ** run,
              0,
            );
          });
          const expected = values.map((value, at) => {
            const unsigned = scales[Math.floor(at / 16)]!;
            const signed = unsigned > 127 ? unsigned - 256 : unsigned;
            return Math.fround(d * signed * (value - 32));
          });
          const bytes = [...low, ...high, ...scales, ...halfBytes(d)];
          // Zeros may have either sign.
          expect(numbersOf("Q6_K", bytes, 256).map((x) => x + 0)).toEqual(
            expected.map((x) => x + 0),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  it("refuses bytes that are not as many blocks", () => {
    expect(() => dequantise("Q8_0", new Uint8Array(34), new Float32Array(31))).toThrow(RangeError);
    expect(() => dequantise("Q8_0", new Uint8Array(33), new Float32Array(32))).toThrow(RangeError);
  });
});

describe("half-precision numbers", () => {
  it("go there and back, all 65,536 of them", () => {
    for (let bits = 0; bits < 65_536; bits += 1) {
      const value = halfToNumber(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(halfToNumber(numberToHalf(value)))).toBe(true);
      else if (numberToHalf(value) !== bits) expect.fail(`${bits}: ${value}`);
    }
  });

  it("are the nearest, ties to even", () => {
    expect(numberToHalf(1 + 2 ** -11)).toBe(0x3c00);
    expect(numberToHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(numberToHalf(65_519)).toBe(0x7bff);
    expect(numberToHalf(65_520)).toBe(0x7c00);
    expect(numberToHalf(2 ** -25)).toBe(0);
    expect(numberToHalf(-(2 ** -24))).toBe(0x8001);
  });
});

describe("quantising", () => {
  it("gives the bytes that ggml gives for a known row", () => {
    const row = Float32Array.from({ length: 32 }, (_, at) => Math.fround((at - 11) * 0.1));
    expect(Buffer.from(quantise("Q4_0", row)).toString("hex")).toBe(Q4_KNOWN);
    expect(Buffer.from(quantise("Q8_0", row)).toString("hex")).toBe(Q8_KNOWN);
  });

  it("is never further off than half a step", () => {
    const values = fc.float32Array({
      minLength: 32,
      maxLength: 32,
      noNaN: true,
      min: -100,
      max: 100,
    });
    fc.assert(
      fc.property(values, (row) => {
        const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const off = (type: "Q4_0" | "Q8_0") =>
          numbersOf(type, quantise(type, row), 32).reduce(
            (most, value, at) => Math.max(most, Math.abs(value - row[at]!)),
            0,
          );
        // The scale is a half: 11 bits, and fewer for tiny ones. The largest number of the other
        // sign may be a step off.
        const tiny = 2 ** -25 * 128;
        expect(off("Q8_0")).toBeLessThanOrEqual((largest / 127) * 0.51 + largest / 1024 + tiny);
        expect(off("Q4_0")).toBeLessThanOrEqual(largest / 8 + largest / 1024 + tiny);
      }),
    );
  });

  it("keeps a row of zeros", () => {
    expect(numbersOf("Q4_0", quantise("Q4_0", new Float32Array(32)), 32).map(Math.abs)).toEqual(
      new Array(32).fill(0),
    );
  });
});
