import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageWriter, readMessages, writeMessage } from "./message-stream.js";

interface Item {
  index: number;
  sizeBytes?: number;
}

function sink(): { chunks: Uint8Array[]; write(bytes: Uint8Array): Promise<void> } {
  const chunks: Uint8Array[] = [];
  return {
    chunks,
    async write(bytes) {
      await Promise.resolve();
      chunks.push(bytes);
    },
  };
}

async function* split(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let position = 0;
  for (const size of sizes) {
    if (position >= bytes.length) return;
    yield bytes.subarray(position, position + size);
    position += size;
  }
  if (position < bytes.length) yield bytes.subarray(position);
}

async function collect(readable: AsyncIterable<Uint8Array>, bodyBytesMax = 1 << 20) {
  const found: { index: number; body: string }[] = [];
  for await (const message of readMessages<Item>(readable, { bodyBytesMax })) {
    const body = Buffer.concat(message.pieces).toString("hex");
    found.push({ index: message.header.index, body });
  }
  return found;
}

describe("messages on a stream", () => {
  it("come out as they went in, however the bytes are split", async () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 });
    const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(bodies, sizes, async (all, cuts) => {
        const out = sink();
        const writer = new MessageWriter(out);
        await Promise.all(
          all.map((body, index) => writer.write({ index, sizeBytes: body.length }, [body])),
        );
        const wire = Buffer.concat(out.chunks);
        expect(await collect(split(wire, cuts))).toEqual(
          all.map((body, index) => ({ index, body: Buffer.from(body).toString("hex") })),
        );
      }),
    );
  });

  it("have no body when the header does not say how long it is", async () => {
    const out = sink();
    await writeMessage(out, { index: 1 });
    await writeMessage(out, { index: 2 });
    const wire = Buffer.concat(out.chunks);
    expect(await collect(split(wire, [3]))).toEqual([
      { index: 1, body: "" },
      { index: 2, body: "" },
    ]);
  });

  it("hand on the pieces of a body without copying them", async () => {
    const body = new Uint8Array(100).fill(7);
    const out = sink();
    await writeMessage(out, { index: 0, sizeBytes: 100 }, [body.subarray(0, 40)]);
    const parts = [...out.chunks, body.subarray(40, 100)];
    for await (const message of readMessages<Item>(parts.values() as never)) {
      expect(message.pieces.map((piece) => piece.buffer)).toEqual([body.buffer, body.buffer]);
    }
  });

  it.each([
    ["a stream that ends within a header", Buffer.from([0, 0, 0, 9, 123])],
    ["a stream that ends within a body", Buffer.from('\0\0\0\x0f{"sizeBytes":4}abc')],
    ["a header that is not JSON", Buffer.from("\0\0\0\x02{]")],
    ["a header that is not an object", Buffer.from("\0\0\0\x01" + "7")],
    ["a header beyond the limit", Buffer.from([1, 0, 0, 0])],
    ["a negative body length", Buffer.from('\0\0\0\x10{"sizeBytes":-4}')],
    ["a body beyond the limit", Buffer.from('\0\0\0\x0f{"sizeBytes":9}')],
  ])("refuse %s", async (_name, wire) => {
    await expect(collect(split(wire, [2, 1]), 8)).rejects.toMatchObject({ code: "MESH_PROTOCOL" });
  });

  it("pass on what the stream throws, and fail every later write", async () => {
    const writer = new MessageWriter({ write: () => Promise.reject(new Error("reset")) });
    await expect(writer.write({ index: 0 })).rejects.toThrow("reset");
    await expect(writer.write({ index: 1 })).rejects.toThrow("reset");
  });
});
