import { randomBytes } from "node:crypto";
import type { ChunkId, FileId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { chunkIdOf } from "./blake3.js";
import { checkReceipt, makeReceipt, RECEIPT_KEY_BYTES } from "./receipts.js";

const key = randomBytes(RECEIPT_KEY_BYTES);
const facts = {
  fileId: "1".repeat(32) as FileId,
  index: 7,
  chunkId: "c".repeat(64) as ChunkId,
  sizeBytes: 4096,
};

describe("a receipt", () => {
  it("holds for the facts and the key that it was made with", () => {
    const receipt = makeReceipt(key, facts);
    expect(receipt).toHaveLength(22);
    expect(checkReceipt(key, facts, receipt)).toBe(true);
  });

  it("holds for nothing else", () => {
    const receipt = makeReceipt(key, facts);
    const others = [
      { ...facts, index: 8 },
      { ...facts, sizeBytes: 4097 },
      { ...facts, fileId: "2".repeat(32) as FileId },
      { ...facts, chunkId: "d".repeat(64) as ChunkId },
    ];
    for (const other of others) expect(checkReceipt(key, other, receipt)).toBe(false);
    expect(checkReceipt(randomBytes(32), facts, receipt)).toBe(false);
    for (const text of ["", "?", receipt.slice(1), `${receipt}AA`]) {
      expect(checkReceipt(key, facts, text)).toBe(false);
    }
  });
});

describe("a chunk id", () => {
  it("is BLAKE3 of the bytes, however they are cut", () => {
    // From the official test vectors: the input is empty.
    expect(chunkIdOf([])).toBe("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    const bytes = randomBytes(5000);
    expect(chunkIdOf([bytes.subarray(0, 9), bytes.subarray(9)])).toBe(chunkIdOf([bytes]));
  });
});
