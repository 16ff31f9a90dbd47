import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MODEL_NAME_BYTES_MAX, MODEL_RECORD_BYTES_MAX } from "./limits.js";
import {
  checkModelName,
  isModelName,
  modelNameFrom,
  modelRecordBytes,
  parseModelRecord,
} from "./model-record.js";
import { RECORD } from "./testing/memory-models.js";

describe("a record", () => {
  it("reads back as it was written", () => {
    expect(parseModelRecord(modelRecordBytes(RECORD))).toEqual(RECORD);
  });

  it("is none when a field is missing, of another kind or too large", () => {
    const wrong: Record<string, unknown>[] = [
      ...Object.keys(RECORD).map((name) => ({ ...RECORD, [name]: undefined })),
      { ...RECORD, v: 2 },
      { ...RECORD, name: "../secret" },
      { ...RECORD, id: "xyz" },
      { ...RECORD, sizeBytes: -1 },
      { ...RECORD, headerBytes: RECORD.sizeBytes + 1 },
      { ...RECORD, source: "x".repeat(3000) },
      { ...RECORD, shape: { ...RECORD.shape, architecture: "gpt2" } },
      { ...RECORD, shape: { ...RECORD.shape, kvHeads: 0 } },
      { ...RECORD, shape: { ...RECORD.shape, rope: { ...RECORD.shape.rope, base: "1" } } },
    ];
    for (const record of wrong) {
      expect(parseModelRecord(Buffer.from(JSON.stringify(record)))).toBeUndefined();
    }
    const padding = " ".repeat(MODEL_RECORD_BYTES_MAX);
    const large = Buffer.concat([modelRecordBytes(RECORD), Buffer.from(padding)]);
    expect(parseModelRecord(large)).toBeUndefined();
  });

  it("is none for any other bytes, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(Buffer.from)), (bytes) => {
        expect(parseModelRecord(bytes)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});

describe("a name", () => {
  it("is made of what a file is called", () => {
    expect(modelNameFrom("TinyLlama 1.1B-Chat.Q4_0.gguf")).toBe("tinyllama-1.1b-chat.q4_0");
    expect(modelNameFrom("..gguf")).toBeUndefined();
    expect(modelNameFrom("модель.gguf")).toBeUndefined();
  });

  it("made of anything is a name or nothing", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        const name = modelNameFrom(text);
        if (name !== undefined) expect(checkModelName(name)).toBe(name);
      }),
    );
  });

  it("leads nowhere else", () => {
    const wrong = ["", ".", "..", "a/b", "a..b", "-a", "A", "a b", "a\0", "é"];
    for (const text of [...wrong, "x".repeat(MODEL_NAME_BYTES_MAX + 1)]) {
      expect(isModelName(text)).toBe(false);
      expect(() => checkModelName(text)).toThrowError(
        expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
      );
    }
  });
});
