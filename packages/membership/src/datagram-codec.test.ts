import { isMeshError, type NodeId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeClaims, decodeDatagram, encodeClaims, encodeDatagram } from "./datagram-codec.js";
import {
  ADDRESS_BYTES_MAX,
  DATAGRAM_BYTES_MAX,
  DATAGRAM_CLAIMS_MAX,
  NODE_META_BYTES_MAX,
  NODE_NAME_BYTES_MAX,
  PROOF_BYTES_MAX,
  SYNC_CLAIMS_MAX,
} from "./limits.js";
import { nodeIdFromBytes } from "./record-proof.js";
import type { Claim, NodeRecord, SwimMessage } from "./swim/messages.js";
import { codeOf, id, idHex, record, unhex } from "./testing/wire-fixtures.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

// Few ids, so that they repeat within a message.
const ids = fc.oneof(
  fc.nat({ max: 20 }).map(id),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeIdFromBytes),
);
const numbers = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat());
const names = fc
  .string({ unit: "grapheme", maxLength: NODE_NAME_BYTES_MAX })
  .filter((text) => Buffer.byteLength(text) <= NODE_NAME_BYTES_MAX && !/\p{Cc}/u.test(text));
const addresses = fc.stringMatching(/^[!-~]{1,60}$/);
const records: fc.Arbitrary<NodeRecord> = fc.record({
  nodeId: ids,
  name: names,
  address: addresses,
  incarnation: numbers,
  isLeaving: fc.boolean(),
  meta: fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.uint8Array({ maxLength: NODE_META_BYTES_MAX }),
  ),
  proof: fc.uint8Array({ maxLength: PROOF_BYTES_MAX }),
});
const claim: fc.Arbitrary<Claim> = fc.oneof(
  fc.record({ kind: fc.constant("self" as const), record: records }),
  fc.record({
    kind: fc.constantFrom("suspect" as const, "dead" as const),
    nodeId: ids,
    incarnation: numbers,
    from: ids,
  }),
);
const claimLists = fc.array(claim, { maxLength: 80, size: "max" });
const heads = fc.oneof(
  fc.record({ kind: fc.constant("ping" as const), sequence: numbers, target: ids }),
  fc.record({ kind: fc.constantFrom("ack" as const, "nack" as const), sequence: numbers }),
  fc.record({
    kind: fc.constant("ping-request" as const),
    sequence: numbers,
    target: ids,
    targetAddress: addresses,
  }),
  fc.record({ kind: fc.constant("gossip" as const) }),
);
const messages: fc.Arbitrary<SwimMessage> = fc
  .tuple(heads, ids, claimLists)
  .map(([head, from, claims]) => ({ ...head, from, claims }));

describe("a datagram", () => {
  it("comes back with the claims that were taken, and never exceeds its limit", () => {
    fc.assert(
      fc.property(
        messages,
        fc.integer({ min: 256, max: DATAGRAM_BYTES_MAX }),
        (message, bytesMax) => {
          const { bytes, claimsTaken, takenIndexes } = encodeDatagram(message, bytesMax);
          expect(bytes.length).toBeLessThanOrEqual(bytesMax);
          expect(takenIndexes).toHaveLength(claimsTaken);
          expect(claimsTaken).toBeLessThanOrEqual(DATAGRAM_CLAIMS_MAX);
          const claims = takenIndexes.map((index) => message.claims[index]!);
          expect(decodeDatagram(bytes)).toEqual({ ...message, claims });
          expect(decodeDatagram(Buffer.from(bytes))).toEqual({ ...message, claims });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("takes every claim that still fits", () => {
    fc.assert(
      fc.property(messages, fc.integer({ min: 256, max: 700 }), (message, bytesMax) => {
        const { claims } = message;
        const { takenIndexes } = encodeDatagram(message, bytesMax);
        if (takenIndexes.length === DATAGRAM_CLAIMS_MAX) return;
        for (const left of claims.keys()) {
          if (takenIndexes.includes(left)) continue;
          // With what was taken before it, it would have been too long.
          const before = [...takenIndexes.filter((index) => index < left), left];
          const alone = { ...message, claims: before.map((index) => claims[index]!) };
          const { bytes, claimsTaken } = encodeDatagram(alone);
          if (claimsTaken === before.length) expect(bytes.length).toBeGreaterThan(bytesMax);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("passes over a claim that is too long and takes the smaller ones behind it", () => {
    const large: Claim = { kind: "self", record: record(1, NODE_META_BYTES_MAX) };
    const small: Claim = { kind: "dead", nodeId: id(2), incarnation: 1, from: id(9) };
    const message: SwimMessage = { kind: "gossip", from: id(9), claims: [small, large, small] };
    const { bytes, claimsTaken, takenIndexes } = encodeDatagram(message, 100);
    expect({ claimsTaken, takenIndexes }).toEqual({ claimsTaken: 2, takenIndexes: [0, 2] });
    expect(decodeDatagram(bytes).claims).toEqual([small, small]);
  });

  it("is as the table says", () => {
    const claims: Claim[] = [
      {
        kind: "self",
        record: {
          nodeId: id(1),
          name: "é",
          address: "h:1",
          incarnation: 300,
          isLeaving: true,
          meta: Uint8Array.of(7),
          proof: Uint8Array.of(8, 9),
        },
      },
      { kind: "suspect", nodeId: id(2), incarnation: 2 ** 53 - 1, from: id(1) },
      { kind: "dead", nodeId: id(3), incarnation: 0, from: id(4) },
    ];
    const claimsHex = [
      "0201" + "02c3a9" + "03683a31" + "ac02" + "0107" + "020809",
      `0300${idHex(2)}${"ff".repeat(7)}0f01`,
    ];
    const last = `0400${idHex(3)}0000${idHex(4)}`;
    const ping: SwimMessage = { kind: "ping", sequence: 5, target: id(2), from: id(1), claims };
    expect(hex(encodeDatagram(ping).bytes)).toBe(
      // The target is the second id of the table, which the suspicion then names by number.
      [
        "d70101",
        idHex(1),
        "05",
        `00${idHex(2)}`,
        claimsHex[0],
        `0302${"ff".repeat(7)}0f01`,
        last,
      ].join(""),
    );
    const ack: SwimMessage = { kind: "ack", sequence: 128, from: id(1), claims };
    expect(hex(encodeDatagram(ack).bytes)).toBe(
      ["d70102", idHex(1), "8001", ...claimsHex, last].join(""),
    );
    const request: SwimMessage = {
      kind: "ping-request",
      sequence: 0,
      target: id(1),
      targetAddress: "h:1",
      from: id(1),
      claims: [],
    };
    expect(hex(encodeDatagram(request).bytes)).toBe(`d70103${idHex(1)}000103683a31`);
    const nack: SwimMessage = { kind: "nack", sequence: 1, from: id(1), claims: [] };
    expect(hex(encodeDatagram(nack).bytes)).toBe(`d70104${idHex(1)}01`);
    const gossip: SwimMessage = { kind: "gossip", from: id(1), claims: [] };
    expect(hex(encodeDatagram(gossip).bytes)).toBe(`d70105${idHex(1)}`);
  });
});

describe("what fits into 1,400 bytes", () => {
  const taken = (claims: readonly Claim[]) => {
    const { bytes, claimsTaken } = encodeDatagram({ kind: "gossip", from: id(0), claims });
    return [claimsTaken, bytes.length];
  };
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  const suspicions = (from: (number: number) => NodeId): Claim[] =>
    hundred.map((n) => ({ kind: "suspect", nodeId: id(n), incarnation: 12, from: from(n) }));

  it("is 37 suspicions of the sender's own, 36 bytes each", () => {
    expect(taken(suspicions(() => id(0)))).toEqual([37, 35 + 37 * 36]);
  });

  it("is 20 suspicions by as many others, 68 bytes each", () => {
    expect(taken(suspicions((n) => id(1000 + n)))).toEqual([20, 35 + 20 * 68]);
  });

  it("is the limit of claims when their ids repeat", () => {
    const claims: Claim[] = hundred.map((n) => {
      return { kind: "dead", nodeId: id(n % 10), incarnation: 12, from: id(0) };
    });
    expect(taken(claims)).toEqual([DATAGRAM_CLAIMS_MAX, 35 + 64 * 4 + 9 * 32]);
  });

  it("is 6 records with 60 bytes of meta, 196 bytes each", () => {
    const claims = hundred.map((n): Claim => ({ kind: "self", record: record(n, 60) }));
    expect(taken(claims)).toEqual([6, 35 + 6 * 196]);
  });

  it("is one record with every field at its limit, whatever the head", () => {
    const largest: NodeRecord = {
      nodeId: id(3),
      name: "n".repeat(NODE_NAME_BYTES_MAX),
      address: "a".repeat(ADDRESS_BYTES_MAX),
      incarnation: Number.MAX_SAFE_INTEGER,
      isLeaving: true,
      meta: new Uint8Array(NODE_META_BYTES_MAX),
      proof: new Uint8Array(PROOF_BYTES_MAX),
    };
    const { bytes, claimsTaken } = encodeDatagram({
      kind: "ping-request",
      sequence: Number.MAX_SAFE_INTEGER,
      target: id(2),
      targetAddress: "a".repeat(ADDRESS_BYTES_MAX),
      from: id(1),
      claims: [{ kind: "self", record: largest }],
    });
    expect([claimsTaken, bytes.length]).toEqual([1, 206 + 880]);
  });
});

describe("a view", () => {
  it("comes back", () => {
    fc.assert(
      fc.property(claimLists, (claims) => {
        expect(decodeClaims(encodeClaims(claims))).toEqual(claims);
      }),
      { numRuns: 100 },
    );
  });

  it("comes back with as many claims as it may have, all of other nodes", () => {
    const claims = Array.from(
      { length: SYNC_CLAIMS_MAX },
      (_, n): Claim => ({ kind: "dead", nodeId: id(2 * n), incarnation: n, from: id(2 * n + 1) }),
    );
    const bytes = encodeClaims(claims);
    expect(decodeClaims(bytes)).toEqual(claims);
    const [extra] = claims as [Claim];
    expect(codeOf(() => encodeClaims([...claims, extra]))).toBe("MESH_LIMIT");
    const more = Buffer.concat([bytes, unhex("04010002")]);
    expect(codeOf(() => decodeClaims(more))).toBe("MESH_BAD_REQUEST");
  });

  it("is no datagram, and a datagram is no view", () => {
    const { bytes } = encodeDatagram({ kind: "gossip", from: id(1), claims: [] });
    expect(codeOf(() => decodeClaims(bytes))).toBe("MESH_BAD_REQUEST");
    expect(codeOf(() => decodeDatagram(encodeClaims([])))).toBe("MESH_BAD_REQUEST");
  });
});

/** Decodes, or says which error there was; anything else that is thrown fails the test. */
function accepted<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    expect(isMeshError(error)).toBe(true);
    return undefined;
  }
}

/** Throws nothing but `MeshError`, and what is accepted has no second encoding. */
function expectStrict(bytes: Uint8Array): void {
  const message = accepted(() => decodeDatagram(bytes));
  if (message !== undefined) expect(hex(encodeDatagram(message).bytes)).toBe(hex(bytes));
  const claims = accepted(() => decodeClaims(bytes));
  if (claims !== undefined) expect(hex(encodeClaims(claims))).toBe(hex(bytes));
}

describe("hostile bytes", () => {
  it("of any kind give a MeshError or a message with this one encoding", () => {
    const kinds = fc.integer({ min: 0, max: 8 }).map((kind) => Uint8Array.of(0xd7, 1, kind));
    const heads = fc.oneof(fc.constant(new Uint8Array(0)), kinds);
    const bytes = fc.tuple(heads, fc.uint8Array({ maxLength: 1500, size: "max" }));
    fc.assert(
      fc.property(bytes, (parts) => expectStrict(Buffer.concat(parts))),
      { numRuns: 1000 },
    );
  });

  it("that were a message before they were changed do too", () => {
    const change = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("set", "cut", "insert", "remove"),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(
        messages,
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (message, changes) => {
          let bytes = [...encodeDatagram(message).bytes];
          if (message.kind === "gossip" && message.claims.length > 0) {
            bytes = [...encodeClaims(message.claims)];
          }
          for (const { at, kind, byte } of changes) {
            const index = at % (bytes.length + 1);
            if (kind === "set") bytes[index] = byte;
            if (kind === "cut") bytes.length = index;
            if (kind === "insert") bytes.splice(index, 0, byte);
            if (kind === "remove") bytes.splice(index, 1);
          }
          expectStrict(Uint8Array.from(bytes));
        },
      ),
      { numRuns: 1000 },
    );
  });
});
