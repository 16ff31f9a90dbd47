import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isMeshError, type NodeId, toBase32 } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ADDRESS_BYTES_MAX, NODE_META_BYTES_MAX, NODE_NAME_BYTES_MAX } from "./limits.js";
import {
  nodeIdFromBytes,
  nodeIdToBytes,
  recordSigningBytes,
  signRecord,
  type UnsignedNodeRecord,
  verifyRecord,
} from "./record-proof.js";

const idOf = (spki: Uint8Array) => toBase32(createHash("sha256").update(spki).digest()) as NodeId;
const spkiOf = (key: KeyObject) => key.export({ type: "spki", format: "der" });
const ed25519 = generateKeyPairSync("ed25519");
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const keys = [
  {
    name: "Ed25519",
    spki: spkiOf(ed25519.publicKey),
    sign: (bytes: Uint8Array) => sign(null, bytes, ed25519.privateKey),
  },
  {
    name: "P-256",
    spki: spkiOf(p256.publicKey),
    sign: (bytes: Uint8Array) =>
      sign("sha256", bytes, { key: p256.privateKey, dsaEncoding: "ieee-p1363" }),
  },
];

function recordOf(nodeId: NodeId, changes: Partial<UnsignedNodeRecord> = {}): UnsignedNodeRecord {
  return {
    nodeId,
    name: "alice-node-01",
    address: "192.168.1.10:7946",
    incarnation: 7,
    isLeaving: false,
    meta: Uint8Array.of(1, 2, 3),
    ...changes,
  };
}

const someId = nodeIdFromBytes(new Uint8Array(32).fill(0xee));
const badRequest = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    return isMeshError(error, "MESH_BAD_REQUEST");
  }
  return false;
};

const texts = (bytesMax: number) =>
  fc
    .string({ unit: "grapheme", maxLength: bytesMax })
    .filter((text) => Buffer.byteLength(text) <= bytesMax && !/[\p{Cc}\p{Cs}]/u.test(text));
const records = fc.record({
  nodeId: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeIdFromBytes),
  name: texts(NODE_NAME_BYTES_MAX),
  address: fc.stringMatching(/^[!-~]{1,40}$/),
  incarnation: fc.maxSafeNat(),
  isLeaving: fc.boolean(),
  meta: fc.uint8Array({ maxLength: NODE_META_BYTES_MAX }),
});

describe.each(keys)("a record signed with $name", ({ spki, sign: signer }) => {
  const record = signRecord(recordOf(idOf(spki)), signer);

  it("is the word of its node", () => {
    expect(record.proof).toHaveLength(64);
    expect(verifyRecord(record, spki)).toBe(true);
    expect(verifyRecord(record, new Uint8Array(spki))).toBe(true);
  });

  it("is nobody's word after any field is changed", () => {
    const changes: Partial<UnsignedNodeRecord>[] = [
      { name: "alice-node-02" },
      { name: "" },
      { address: "192.168.1.11:7946" },
      { incarnation: 8 },
      { incarnation: 7 + 2 ** 32 },
      { incarnation: -1 },
      { incarnation: Number.NaN },
      { isLeaving: true },
      { meta: Uint8Array.of(1, 2) },
      { meta: Uint8Array.of(1, 2, 3, 0) },
      { meta: new Uint8Array(NODE_META_BYTES_MAX + 1) },
      { nodeId: someId },
      { nodeId: "" as NodeId },
    ];
    for (const change of changes) expect(verifyRecord({ ...record, ...change }, spki)).toBe(false);
  });

  it("is nobody's word when a byte of the proof is changed, or there are more or fewer", () => {
    for (let index = 0; index < record.proof.length; index++) {
      const proof = new Uint8Array(record.proof);
      proof[index] = (proof[index] ?? 0) ^ 0x01;
      expect(verifyRecord({ ...record, proof }, spki)).toBe(false);
    }
    for (const length of [0, 63, 65]) {
      const proof = new Uint8Array(length);
      proof.set(record.proof.subarray(0, length));
      expect(verifyRecord({ ...record, proof }, spki)).toBe(false);
    }
  });

  it("does not hold under another key, nor under bytes that are no key", () => {
    for (const other of keys) {
      expect(verifyRecord(record, other.spki)).toBe(other.spki === spki);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(verifyRecord({ ...record, nodeId: idOf(bytes) }, bytes)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  it("keeps bytes of its own", () => {
    const unsigned = recordOf(idOf(spki));
    const signed = signRecord(unsigned, signer);
    unsigned.meta[0] = 99;
    expect(verifyRecord(signed, spki)).toBe(true);
  });
});

describe("keys that are refused", () => {
  it("takes no second encoding of a key, which would be a second node", () => {
    for (const { spki, sign: signer } of keys) {
      const longer = Buffer.concat([spki, Buffer.of(0)]);
      const record = signRecord(recordOf(idOf(longer)), signer);
      expect(verifyRecord(record, longer)).toBe(false);
    }
    // The same point, compressed (SEC 1, 2.3.3).
    const spki = spkiOf(p256.publicKey);
    const compressed = Buffer.concat([
      Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex"),
      Buffer.of(2 + ((spki[90] ?? 0) & 1)),
      spki.subarray(27, 59),
    ]);
    const record = signRecord(recordOf(idOf(compressed)), keys[1]!.sign);
    expect(verifyRecord(record, compressed)).toBe(false);
  });

  it("takes no point off the curve and no key of another kind", () => {
    const off = Buffer.from(spkiOf(p256.publicKey));
    off[90] = (off[90] ?? 0) ^ 1;
    expect(verifyRecord({ ...recordOf(idOf(off)), proof: new Uint8Array(64) }, off)).toBe(false);
    const other = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
    const spki = spkiOf(other.publicKey);
    const record = signRecord(recordOf(idOf(spki)), (bytes) =>
      sign("sha256", bytes, { key: other.privateKey, dsaEncoding: "ieee-p1363" }),
    );
    expect(verifyRecord(record, spki)).toBe(false);
  });

  it("takes no signature in DER", () => {
    const der = (bytes: Uint8Array) => sign("sha256", bytes, p256.privateKey);
    expect(badRequest(() => signRecord(recordOf(someId), der))).toBe(true);
  });
});

describe("the signed bytes", () => {
  it("are as the table says", () => {
    const bytes = recordSigningBytes(
      recordOf(someId, { name: "é", address: "h:1", incarnation: 2 ** 40 + 5, isLeaving: true }),
    );
    expect(Buffer.from(bytes).toString("hex")).toBe(
      [
        Buffer.from("hearthmesh membership record v1\0").toString("hex"),
        "ee".repeat(32),
        "02c3a9",
        "03683a31",
        "0000010000000005",
        "01",
        "0003010203",
      ].join(""),
    );
  });

  it("differ for records that differ", () => {
    fc.assert(
      fc.property(records, records, (a, b) => {
        const same = Buffer.from(recordSigningBytes(a)).equals(recordSigningBytes(b));
        expect(same).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });

  it("do not depend on where one text ends and the next begins", () => {
    const a = recordSigningBytes(recordOf(someId, { name: "ab", address: "c:1" }));
    const b = recordSigningBytes(recordOf(someId, { name: "a", address: "bc:1" }));
    expect(Buffer.from(a).equals(b)).toBe(false);
  });

  it("are refused for a field outside its limits", () => {
    const wrong: Partial<UnsignedNodeRecord>[] = [
      { name: "é".repeat(32) },
      { name: "a\nb" },
      { name: "\u001b[2J" },
      { name: "\ud800" },
      { address: "" },
      { address: "a b:1" },
      { address: "é:1" },
      { address: "a".repeat(ADDRESS_BYTES_MAX + 1) },
      { incarnation: 1.5 },
      { incarnation: 2 ** 53 },
      { incarnation: Number.POSITIVE_INFINITY },
      { meta: new Uint8Array(NODE_META_BYTES_MAX + 1) },
      { nodeId: "short" as NodeId },
    ];
    for (const change of wrong) {
      expect(badRequest(() => recordSigningBytes(recordOf(someId, change)))).toBe(true);
    }
  });
});

describe("node ids as bytes", () => {
  it("come back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(nodeIdToBytes(nodeIdFromBytes(bytes))).toEqual(bytes);
      }),
    );
  });

  it("are refused when the last character carries stray bits", () => {
    const base = someId.slice(0, -1);
    const accepted = [..."abcdefghijklmnopqrstuvwxyz234567"].filter(
      (last) => !badRequest(() => nodeIdToBytes(`${base}${last}` as NodeId)),
    );
    expect(accepted).toEqual(["a", "q"]);
    expect(badRequest(() => nodeIdToBytes(someId.toUpperCase() as NodeId))).toBe(true);
    expect(badRequest(() => nodeIdFromBytes(new Uint8Array(31)))).toBe(true);
  });
});
