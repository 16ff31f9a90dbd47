/** Sealing: what went in comes out; whatever is changed on the way does not open. */
import { createHash, randomBytes } from "node:crypto";
import type { FileId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ContentHash } from "./content-hash.js";
import type { CopyHeader } from "./copy-header.js";
import { CopyKeys } from "./copy-keys.js";
import { CopyReader, firstPieceBytes, openCopy } from "./open-copy.js";
import { openPiece, sealPiece } from "./piece-cipher.js";
import { sealCopy, sealedSizeOf } from "./seal-copy.js";

const MIB = 1 << 20;
const keys = new CopyKeys(Buffer.alloc(32, 7));
const fileId = "0123456789abcdef0123456789abcdef" as FileId;
const name = keys.nameOfFile(fileId, "garage.bob");

function contentOfSize(size: number): Buffer {
  const seed = createHash("sha256").update(String(size)).digest();
  return Buffer.alloc(size, seed);
}

function headerFor(content: Uint8Array, path = "/photos/summer.jpg"): CopyHeader {
  const hash = new ContentHash();
  hash.add(content);
  return {
    v: 1,
    label: fileId,
    path,
    owner: "spiffe://home.alice/person/alice@home.alice",
    sizeBytes: content.length,
    createdAtMs: 1,
    modifiedAtMs: 2,
    contentHash: hash.digest(),
  };
}

async function* cut(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

async function sealWhole(content: Buffer, options: { salt?: Buffer; step?: number } = {}) {
  const salt = options.salt ?? randomBytes(32);
  const source = cut(content, options.step ?? 100_000);
  const pieces: Uint8Array[] = [];
  const input = { name, header: headerFor(content), content: source, salt };
  for await (const piece of sealCopy(keys, input)) pieces.push(piece);
  return pieces;
}

async function openWhole(pieces: readonly Uint8Array[], others: Partial<Opening> = {}) {
  const bytes = Buffer.concat(pieces);
  const { withKeys = keys, as = name, size = bytes.length, step = 300_000 } = others;
  const opened = await openCopy(withKeys, { name: as, sealedBytes: size }, cut(bytes, step));
  const content: Uint8Array[] = [];
  for await (const piece of opened.content) content.push(piece);
  return { header: opened.header, content: Buffer.concat(content) };
}

interface Opening {
  withKeys: CopyKeys;
  as: string;
  size: number;
  step: number;
}

const damagedError = { code: "MESH_COPY_DAMAGED" };

describe("a sealed copy", () => {
  it.each([0, 1, 3072, 4096, 70_000, 262_144, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 5])(
    "of %i bytes opens to the same, and has one of the sizes",
    async (size) => {
      const content = contentOfSize(size);
      const pieces = await sealWhole(content);
      const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
      expect(total).toBe(sealedSizeOf(headerFor(content)));
      const isSmall = [4096, 16_384, 65_536, 262_144].includes(total);
      expect(isSmall || total % MIB === 0).toBe(true);
      expect(pieces.length).toBe(Math.max(1, Math.ceil(total / MIB)));
      const opened = await openWhole(pieces);
      expect(opened.header).toEqual(headerFor(content));
      expect(opened.content.equals(content)).toBe(true);
    },
  );

  it("says nothing of the file: neither its words nor its name", async () => {
    const content = Buffer.from("a secret about the summer ".repeat(2000));
    const sealed = Buffer.concat(await sealWhole(content));
    for (const word of ["secret", "summer", "photos", "alice", fileId]) {
      expect(sealed.includes(word)).toBe(false);
    }
    expect(name).not.toContain(fileId);
  });

  it("of the same content twice has nothing in common with the first", async () => {
    const [first, second] = [
      await sealWhole(contentOfSize(5000)),
      await sealWhole(contentOfSize(5000)),
    ];
    const blocks = (piece: Uint8Array | undefined) => {
      const hex = Buffer.from(piece ?? [])
        .toString("hex")
        .slice(8);
      return new Set(hex.match(/.{32}/g));
    };
    const common = [...blocks(first[0])].filter((block) => blocks(second[0]).has(block));
    expect(common).toEqual([]);
  });

  it("has other names at other friends and in other stores", () => {
    const other = new CopyKeys(Buffer.alloc(32, 8));
    const names = [
      keys.nameOfFile(fileId, "garage.bob"),
      keys.nameOfFile(fileId, "office.carol"),
      other.nameOfFile(fileId, "garage.bob"),
    ];
    expect(new Set(names).size).toBe(3);
  });

  it("is not written when the content is not as long as its entry says", async () => {
    const header = headerFor(Buffer.alloc(5000));
    for (const size of [0, 4999, 5001, 2 * MIB]) {
      const content = cut(Buffer.alloc(size), 1000);
      const sealing = sealCopy(keys, { name, header, content, salt: randomBytes(32) });
      const all = (async () => {
        for await (const piece of sealing) expect(piece.length).toBeGreaterThan(0);
      })();
      await expect(all).rejects.toMatchObject({ code: "MESH_CHUNK_MISMATCH" });
    }
  });
});

describe("a copy that is not as it was written", () => {
  it("does not open when any one bit was changed", async () => {
    const pieces = await sealWhole(contentOfSize(6000));
    const whole = Buffer.concat(pieces);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (at, bit) => {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        await expect(openWhole([changed])).rejects.toMatchObject(damagedError);
      }),
      { numRuns: 200 },
    );
  });

  it("does not open cut short, in another order, with parts twice or of another copy", async () => {
    const content = contentOfSize(3 * MIB);
    const pieces = await sealWhole(content);
    const others = await sealWhole(content);
    const at = <T>(list: readonly T[], index: number) => list[index] as T;
    const [a, b, c, d] = [at(pieces, 0), at(pieces, 1), at(pieces, 2), at(pieces, 3)];
    const wrong = [
      [a, b, c],
      [a, b, c, c],
      [a, c, b, d],
      [b, a, c, d],
      [a, b, c, d, d],
      [a, at(others, 1), c, d],
      [a, b, c, at(others, 3)],
      [a, b, c, d.subarray(0, MIB - 1)],
      [a, b, d],
      [a],
    ];
    for (const list of wrong) await expect(openWhole(list)).rejects.toMatchObject(damagedError);
    // Whatever size the friend claims.
    for (const size of [MIB, 2 * MIB, 3 * MIB, 5 * MIB, 4 * MIB + 1]) {
      await expect(openWhole(pieces, { size })).rejects.toMatchObject(damagedError);
    }
  });

  it("does not open under another name or with another key", async () => {
    const pieces = await sealWhole(contentOfSize(100));
    const as = keys.nameOfFile(fileId, "office.carol");
    const withKeys = new CopyKeys(Buffer.alloc(32, 9));
    await expect(openWhole(pieces, { as })).rejects.toMatchObject(damagedError);
    await expect(openWhole(pieces, { withKeys })).rejects.toMatchObject(damagedError);
  });

  it("does not open as random bytes either", async () => {
    const sizes = fc.constantFrom(4096, 16_384);
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), async (size, magic) => {
        const bytes = randomBytes(size);
        if (magic) bytes.write("HMC1", "latin1");
        await expect(openWhole([bytes])).rejects.toMatchObject(damagedError);
      }),
      { numRuns: 50 },
    );
  });
});

describe("one piece", () => {
  it("opens in its place alone: in this store, of this copy, with this number, last or not", () => {
    const key = randomBytes(32);
    const place = { storeId: randomBytes(16), name, index: 3, last: true };
    const sealed = sealPiece(key, place, Buffer.from("a piece"));
    expect(openPiece(key, place, sealed).toString()).toBe("a piece");
    const elsewhere = [
      { last: false },
      { index: 2 },
      { index: 2 ** 33 + 3 },
      { name: keys.nameOfFile(fileId, "office.carol") },
      { storeId: randomBytes(16) },
    ];
    for (const more of elsewhere) {
      const open = () => openPiece(key, { ...place, ...more }, sealed);
      expect(open).toThrow(expect.objectContaining(damagedError));
    }
    expect(() => openPiece(key, place, sealed.subarray(0, 10))).toThrow();
  });
});

describe("ranges of a copy", () => {
  it("are the same bytes as in the file, for any range", async () => {
    const content = contentOfSize(3 * MIB + 77);
    const pieces = await sealWhole(content, { step: MIB });
    const sealed = Buffer.concat(pieces);
    const first = sealed.subarray(0, firstPieceBytes(sealed.length));
    const reader = new CopyReader(keys, { name, sealedBytes: sealed.length }, first);
    const offsets = fc.tuple(fc.nat(content.length - 1), fc.nat(2 * MIB));
    fc.assert(
      fc.property(offsets, ([start, length]) => {
        const end = Math.min(content.length, start + length + 1);
        const wanted = reader.piecesFor(start, end);
        const parts: Uint8Array[] = [];
        for (let index = wanted.first; index <= wanted.last; index++) {
          const range = reader.rangeOf(index);
          parts.push(reader.contentOf(index, sealed.subarray(range.start, range.endInclusive + 1)));
        }
        const bytes = Buffer.concat(parts).subarray(wanted.skip, wanted.skip + end - start);
        expect(bytes.equals(content.subarray(start, end))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
