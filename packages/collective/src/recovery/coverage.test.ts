import { type ChunkId, type FileId, systemClock } from "@hearthmesh/core";
import { memoryStore, put } from "@hearthmesh/store";
import { describe, expect, it } from "vitest";
import { keys, ROOT_ID } from "../coordinator/keys.js";
import { type EntryRecord, encodeEntry, encodeJson } from "../coordinator/records.js";
import type { KeptRecord } from "../copies/copy-records.js";
import { coverageOf } from "./coverage.js";

const id = (digit: string) => digit.repeat(32) as FileId;

describe("what would come back without this home", () => {
  it("is told file by file, with the paths of those that would not", async () => {
    const store = memoryStore({ clock: systemClock() });
    const entry = (directory: FileId, name: string, record: EntryRecord) =>
      store.transact({ success: [put(keys.entry(directory, name), encodeEntry(record))] });
    const common = { createdAtMs: 0, modifiedAtMs: 0, owner: "spiffe://home.alice/person/a@b.c" };
    const directory = (fileId: FileId) => ({ kind: "directory", fileId, ...common }) as const;
    const file = (fileId: FileId, sizeBytes: number): EntryRecord => ({
      kind: "file",
      ...{ fileId, sizeBytes, chunkCount: 1, ...common },
      chunks: ["a".repeat(64) as ChunkId],
    });
    await entry(ROOT_ID, "photos", directory(id("d")));
    await entry(id("d"), "2026", directory(id("e")));
    await entry(id("e"), "a.jpg", file(id("1"), 5000));
    await entry(id("e"), "b.jpg", file(id("2"), 7000));
    await entry(ROOT_ID, "note", {
      kind: "file",
      ...{ fileId: id("3"), sizeBytes: 4, chunkCount: 0, ...common },
      inline: Buffer.from("note"),
    });
    await entry(ROOT_ID, ".copies", directory(id("c")));
    await entry(id("c"), "of-bob", file(id("4"), 9000));
    const copy = { member: "garage.bob", sealedBytes: 1, madeAtMs: 0, seenAtMs: 0, checkedAtMs: 0 };
    const kept: KeptRecord = {
      ...{ v: 1, path: "/photos/2026/a.jpg", directoryId: id("e"), name: "a.jpg" },
      owner: "spiffe://home.alice/person/alice",
      copies: [copy],
    };
    await store.transact({ success: [put(keys.copiesKept(id("1")), encodeJson(kept))] });
    expect(await coverageOf(store)).toEqual({
      all: { files: 3, bytes: 12_004 },
      inRecords: { files: 1, bytes: 4 },
      atFriends: { files: 1, bytes: 5000 },
      uncovered: { files: 1, bytes: 7000 },
      uncoveredPaths: ["/photos/2026/b.jpg"],
    });
  });
});
