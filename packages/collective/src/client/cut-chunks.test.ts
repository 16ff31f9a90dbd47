import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutChunks, peekSource } from "./cut-chunks.js";

async function* from(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of source) all.push(piece);
  return Buffer.concat(all);
}

describe("cutChunks", () => {
  it("keeps every byte, in chunks of one size, for any pieces", async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 200 }), async (all, chunkBytes) => {
        const chunks: Buffer[] = [];
        for await (const chunk of cutChunks(from(all), chunkBytes)) {
          const bytes = Buffer.concat(chunk.pieces);
          expect(bytes.length).toBe(chunk.sizeBytes);
          chunks.push(bytes);
        }
        expect(Buffer.concat(chunks).equals(Buffer.concat(all))).toBe(true);
        expect(chunks.slice(0, -1).every((chunk) => chunk.length === chunkBytes)).toBe(true);
        expect(chunks.every((chunk) => chunk.length > 0)).toBe(true);
      }),
    );
  });

  it("makes few pieces of many small ones, and does not copy large ones", async () => {
    const tiny = Array.from({ length: 100_000 }, (_, at) => Uint8Array.of(at & 255));
    for await (const chunk of cutChunks(from(tiny), 1 << 20)) {
      expect(chunk.pieces.length).toBeLessThan(4);
    }
    const large = new Uint8Array(1 << 20);
    for await (const chunk of cutChunks(from([large]), 1 << 20)) {
      expect(chunk.pieces[0]?.buffer).toBe(large.buffer);
    }
  });
});

describe("peekSource", () => {
  it("tells whether the source is longer, and gives it back whole", async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 0, max: 200 }), async (all, limitBytes) => {
        const peeked = await peekSource(from(all), limitBytes);
        const whole = Buffer.concat(all);
        const headBytes = Buffer.concat(peeked.head).length;
        expect(peeked.ended && headBytes <= limitBytes).toBe(whole.length <= limitBytes);
        expect((await collect(peeked.rest)).equals(whole)).toBe(true);
      }),
    );
  });

  it("closes a source that is not read on", async () => {
    let closed = false;
    async function* source() {
      try {
        for (;;) yield new Uint8Array(10);
      } finally {
        closed = true;
      }
    }
    await (await peekSource(source(), 100)).close();
    expect(closed).toBe(true);
  });
});
