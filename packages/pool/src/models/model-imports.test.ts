/** Adding models: from streams and from a real server, good ones and bad ones. */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { MeshError } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { randomModelBytes, TINY_SHAPE } from "../testing/random-model.js";
import { digestOf } from "./chunk-hasher.js";
import type { ImportView } from "./model-imports.js";
import { FileServer } from "./testing/file-server.js";
import { MemoryModels, ModelsBed } from "./testing/memory-models.js";

const MODEL = randomModelBytes({ shape: TINY_SHAPE, type: "F16" });
const never = new AbortController().signal;
const failure = (code: string) => expect.objectContaining({ code });

let server: FileServer;
let bed: ModelsBed;

beforeEach(async () => {
  server = new FileServer(MODEL);
  await server.start();
  bed = new ModelsBed();
});
afterEach(async () => {
  await bed.remove();
  await server.stop();
});

async function* streamOf(bytes: Uint8Array, pieceBytes = 7777) {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

const addBytes = (bytes: Uint8Array, options = {}, pieceBytes?: number) =>
  bed.imports.addStream("Tiny.gguf", streamOf(bytes, pieceBytes), options, never);

const ended = async (id: string): Promise<ImportView> => {
  await expect.poll(() => bed.imports.get(id).state).toMatch(/done|failed/);
  return bed.imports.get(id);
};

const incoming = () => readdirSync(join(bed.directory, "incoming"));

describe("a file", () => {
  it("becomes a model that is here already, whole", async () => {
    const model = await addBytes(MODEL);
    expect(model).toMatchObject({
      ...{ name: "tiny", id: digestOf(MODEL), sizeBytes: MODEL.length, quantisation: "F16" },
      ...{ source: "file Tiny.gguf", shape: { layers: 2 } },
    });
    expect((await bed.library.list(never)).map(({ name }) => name)).toEqual(["tiny"]);
    const whole = [{ from: 0, to: MODEL.length }];
    await bed.library.ensure(model, whole, () => undefined, never);
    expect(bed.files.chunksRead).toEqual([]);
    expect(incoming()).toEqual([]);
  });

  it("may be added again, and under another name without a second local copy", async () => {
    const first = await addBytes(MODEL);
    expect(await addBytes(MODEL)).toEqual(first);
    await addBytes(MODEL, { name: "again" }, 501);
    expect((await bed.library.list(never)).map(({ name }) => name)).toEqual(["again", "tiny"]);
    expect((await bed.library.localBytes()).size).toBe(1);
  });

  it("with a name that is taken by another one is refused", async () => {
    await addBytes(MODEL);
    const other = randomModelBytes({ shape: TINY_SHAPE, type: "F16", seed: 2 });
    await expect(addBytes(other)).rejects.toEqual(failure("MESH_MODEL_EXISTS"));
    await expect(addBytes(other, { name: "demo" })).rejects.toEqual(failure("MESH_MODEL_EXISTS"));
    await expect(addBytes(other, { name: "../x" })).rejects.toEqual(failure("MESH_BAD_REQUEST"));
  });

  it.each([
    ["is no GGUF", randomBytes(5000), "MESH_MODEL_DAMAGED"],
    ["is empty", new Uint8Array(), "MESH_MODEL_DAMAGED"],
    ["begins well and ends early", MODEL.subarray(0, MODEL.length / 2), "MESH_MODEL_DAMAGED"],
    ["is a header alone", MODEL.subarray(0, 100), "MESH_MODEL_DAMAGED"],
  ])("that %s leaves nothing behind", async (_, bytes, code) => {
    await expect(addBytes(bytes)).rejects.toEqual(failure(code));
    expect(await bed.library.list(never)).toEqual([]);
    expect(bed.files.kept.size).toBe(0);
    expect(incoming()).toEqual([]);
  });

  it("is held against the hash that it must have", async () => {
    const sha256 = digestOf(MODEL).toUpperCase();
    await expect(addBytes(MODEL, { sha256: "0".repeat(64) })).rejects.toThrow(/hashes to/);
    await expect(addBytes(MODEL, { sha256: "12" })).rejects.toEqual(failure("MESH_BAD_REQUEST"));
    expect((await addBytes(MODEL, { sha256 })).id).toBe(sha256.toLowerCase());
  });
});

describe("an address", () => {
  it("is downloaded in the background, however often it breaks", async () => {
    server.fault = { cutAfterBytes: Math.ceil(MODEL.length / 3) };
    const url = new URL(server.url);
    url.username = "anna";
    url.password = "secret";
    const begun = await bed.imports.addFrom(url.href, {}, never);
    expect(begun).toMatchObject({ name: "tiny", state: "downloading" });
    const view = await ended(begun.id);
    expect(view).toMatchObject({ state: "done", model: { id: digestOf(MODEL) } });
    expect(JSON.stringify([...bed.files.kept.values()])).not.toMatch(/secret/);
    expect(view.source).toBe(`${server.origin}/models/tiny.gguf`);
    expect(incoming()).toEqual([]);
  });

  it("goes on with what was there when it was cancelled", async () => {
    server.fault = { cutAfterBytes: MODEL.length - 1000 };
    const { id } = await bed.imports.addFrom(server.url.href, {}, never);
    await expect.poll(() => bed.imports.get(id).doneBytes).toBeGreaterThan(0);
    expect(await bed.imports.cancel(id)).toMatchObject({ state: "failed" });
    expect(incoming()).toHaveLength(2);
    server.fault = "none";
    const next = await bed.imports.addFrom(server.url.href, {}, never);
    expect(await ended(next.id)).toMatchObject({ state: "done" });
    expect(server.seen.at(-1)?.range).toMatch(/^bytes=\d+-$/);
  });

  it("is not downloaded again when the collective could not take it", async () => {
    const { writeContent } = bed.files.writer;
    Object.assign(bed.files.writer, {
      writeContent: async () => {
        throw new MeshError("MESH_NO_STORAGE");
      },
    });
    const first = await bed.imports.addFrom(server.url.href, {}, never);
    expect((await ended(first.id)).error).toEqual(failure("MESH_NO_STORAGE"));
    Object.assign(bed.files.writer, { writeContent });
    const next = await bed.imports.addFrom(server.url.href, {}, never);
    expect(await ended(next.id)).toMatchObject({ state: "done" });
    expect(server.seen[1]?.range).toBe(`bytes=${MODEL.length}-`);
    expect(incoming()).toEqual([]);
  });

  it("that gives a page and no model is noticed at its first bytes", async () => {
    server.content = Buffer.from("<html>Not here</html>".repeat(1000));
    const { id } = await bed.imports.addFrom(server.url.href, {}, never);
    const view = await ended(id);
    expect(view.error).toEqual(failure("MESH_MODEL_DAMAGED"));
    expect(view.error?.hint).toMatch(/page about the file/);
  });

  it("is one of two at a time, and one for a name", async () => {
    server.fault = "silent";
    await bed.imports.addFrom(server.url.href, { name: "a" }, never);
    const same = bed.imports.addFrom(server.url.href, { name: "a" }, never);
    await expect(same).rejects.toEqual(failure("MESH_MODEL_EXISTS"));
    await bed.imports.addFrom(`${server.url.href}?2`, { name: "b" }, never);
    const third = bed.imports.addFrom(`${server.url.href}?3`, { name: "c" }, never);
    await expect(third).rejects.toEqual(failure("MESH_LIMIT"));
    await bed.imports.close();
  });

  it("is refused on a node that may only read", async () => {
    const files = Object.assign(new MemoryModels(), { writer: undefined });
    const reader = new ModelsBed(files as unknown as MemoryModels);
    const asked = reader.imports.addFrom(server.url.href, {}, never);
    await expect(asked).rejects.toEqual(failure("MESH_FORBIDDEN"));
    await reader.remove();
  });
});
