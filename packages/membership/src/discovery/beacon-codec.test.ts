import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf } from "../testing/wire-fixtures.js";
import { type Beacon, BeaconCodec } from "./beacon-codec.js";
import { BeaconReplayTable } from "./beacon-replay.js";
import { BEACON_BYTES_MAX, BEACON_PERIOD_MS } from "./limits.js";
import { type MeshSecret, rotateMeshSecret } from "./mesh-secret.js";
import { seededRandom, testSecret, testSelf } from "./testing/test-node.js";

const NOW_MS = 1_700_000_000_000;
const random = seededRandom("codec");
const secret = testSecret("mesh");
const self = testSelf("alice");
const mallory = testSelf("mallory");
const said: Beacon = {
  nodeId: self.nodeId,
  publicKey: self.publicKey,
  boot: 1_700_000_000_000,
  sequence: 7,
  udpPort: 7946,
  linkPort: 9000,
  linkAddresses: ["alice.example.com:9000", "[fd00::1]:9000"],
  isLeaving: false,
};

function seal(beacon: Beacon = said, under: MeshSecret = secret, nowMs = NOW_MS): Uint8Array {
  return new BeaconCodec(random).seal(beacon, under, self.sign, nowMs);
}

function open(bytes: Uint8Array, under: MeshSecret = secret, nowMs = NOW_MS) {
  return new BeaconCodec(random).open(bytes, under, nowMs);
}

describe("a beacon", () => {
  it("says everything again that was put in", () => {
    expect(open(seal())).toEqual({ beacon: said });
    const leaving = { ...said, isLeaving: true, linkAddresses: [], udpPort: 0, linkPort: 0 };
    expect(open(seal(leaving))).toEqual({ beacon: leaving });
  });

  it("keeps any values within the limits, and stays small", () => {
    const port = fc.integer({ min: 0, max: 65_535 });
    const address = fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }));
    const values = fc.record({
      boot: fc.maxSafeNat(),
      sequence: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      udpPort: port,
      linkPort: port,
      isLeaving: fc.boolean(),
      linkAddresses: fc.array(
        address.filter(([ip]) => ip !== "0.0.0.0").map(([ip, at]) => `${ip}:${at}`),
        { maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(values, (some) => {
        const bytes = seal({ ...said, ...some });
        expect(open(bytes)).toEqual({ beacon: { ...said, ...some } });
        expect(bytes.length).toBeLessThanOrEqual(600);
      }),
      { numRuns: 60 },
    );
    const long = `${"a".repeat(59)}:9000`;
    const largest = seal({ ...said, linkAddresses: [long, long, long, long] });
    expect(largest.length).toBeLessThan(BEACON_BYTES_MAX);
    expect(open(largest).beacon?.linkAddresses).toHaveLength(4);
  });

  it("does not show the number of addresses by its length, and has no two alike", () => {
    const one = seal({ ...said, linkAddresses: [] });
    const two = seal({ ...said, linkAddresses: ["10.0.0.1:9000"] });
    expect(one.length).toBe(two.length);
    expect(seal()).not.toEqual(seal());
    expect(Buffer.from(seal()).includes(Buffer.from("alice"))).toBe(false);
  });

  it("refuses to carry what does not fit", () => {
    const bad: Partial<Beacon>[] = [
      { udpPort: 65_536 },
      { linkPort: -1 },
      { boot: 2 ** 53 },
      { sequence: 2 ** 32 },
      { sequence: 0.5 },
      { linkAddresses: Array(5).fill("10.0.0.1:1") },
      { linkAddresses: ["no port"] },
      { linkAddresses: ["0.0.0.0:9000"] },
      { publicKey: new Uint8Array(91) },
    ];
    for (const part of bad) {
      expect(codeOf(() => seal({ ...said, ...part }))).toBe("MESH_BAD_REQUEST");
    }
    const der = () => new BeaconCodec(random).seal(said, secret, () => new Uint8Array(70), NOW_MS);
    expect(codeOf(der)).toBe("MESH_BAD_REQUEST");
  });
});

describe("what is refused", () => {
  it("is any bytes at all, without an error", () => {
    const tag = seal().subarray(0, 16);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1600 }), (bytes) => {
        expect(open(bytes).refusal).toBe("foreign");
        const tagged = open(Buffer.concat([tag, bytes])).refusal;
        expect(["foreign", "forged", "malformed"]).toContain(tagged);
      }),
      { numRuns: 300 },
    );
  });

  it("is a beacon with any bit changed or any byte cut off", () => {
    const bytes = seal();
    const place = fc.integer({ min: 0, max: bytes.length * 8 - 1 });
    fc.assert(
      fc.property(place, (bit) => {
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const refusal = open(changed).refusal;
        expect(refusal).toBe(bit < 128 ? "foreign" : "forged");
      }),
      { numRuns: 300 },
    );
    for (let length = 0; length < bytes.length; length++) {
      expect(open(bytes.subarray(0, length)).beacon).toBeUndefined();
    }
  });

  it("is one of another mesh, by the tag alone", () => {
    expect(open(seal(said, testSecret("another mesh")))).toEqual({ refusal: "foreign" });
  });

  it("is one that a node of the mesh signed for another", () => {
    const forged = new BeaconCodec(random).seal(said, secret, mallory.sign, NOW_MS);
    expect(open(forged)).toEqual({ refusal: "forged" });
  });

  it("is what the caller drops by its claim, before the signature is looked at", () => {
    const forged = new BeaconCodec(random).seal(said, secret, mallory.sign, NOW_MS);
    const claims: unknown[] = [];
    const drop = (claim: unknown) => {
      claims.push(claim);
      return "own" as const;
    };
    const opened = new BeaconCodec(random).open(forged, secret, NOW_MS, drop);
    expect(opened).toEqual({ refusal: "own" });
    expect(claims).toMatchObject([{ nodeId: self.nodeId, boot: said.boot, sequence: 7 }]);
  });

  it("is a signature that was made for another period or another purpose", () => {
    const signatures: Uint8Array[] = [];
    const keep = (bytes: Uint8Array) => {
      const signature = self.sign(bytes);
      signatures.push(signature);
      return signature;
    };
    const codec = new BeaconCodec(random);
    codec.seal(said, secret, keep, NOW_MS - BEACON_PERIOD_MS);
    const replayed = codec.seal(said, secret, () => signatures[0]!, NOW_MS);
    expect(open(replayed)).toEqual({ refusal: "forged" });
    const bare = (bytes: Uint8Array) => self.sign(bytes.subarray("hearthmesh".length));
    expect(open(codec.seal(said, secret, bare, NOW_MS))).toEqual({ refusal: "forged" });
  });
});

describe("time and rotation", () => {
  it("is understood by clocks that are an hour off, in either direction", () => {
    for (const offMs of [-3_600_000, -1, 0, 1, 3_600_000]) {
      expect(open(seal(), secret, NOW_MS + offMs).beacon).toEqual(said);
    }
    for (const offMs of [-4 * 3_600_000, 4 * 3_600_000]) {
      expect(open(seal(), secret, NOW_MS + offMs)).toEqual({ refusal: "foreign" });
    }
  });

  it("has another tag in another hour, and the same for all nodes within it", () => {
    const tag = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 16)).toString("hex");
    expect(tag(seal())).toBe(tag(seal({ ...said, sequence: 8 })));
    expect(tag(seal())).not.toBe(tag(seal(said, secret, NOW_MS + BEACON_PERIOD_MS)));
  });

  it("is understood across one rotation, both ways", () => {
    const rotated = rotateMeshSecret(secret, random);
    expect(open(seal(), rotated).beacon).toEqual(said);
    expect(open(seal(said, rotated), rotated).beacon).toEqual(said);
    const twice = rotateMeshSecret(rotated, random);
    expect(open(seal(), twice)).toEqual({ refusal: "foreign" });
  });

  it("follows the secret and the hour in one codec", () => {
    const codec = new BeaconCodec(random);
    const later = NOW_MS + 10 * BEACON_PERIOD_MS;
    expect(codec.open(seal(), secret, NOW_MS).beacon).toEqual(said);
    expect(codec.open(seal(said, secret, later), secret, later).beacon).toEqual(said);
    expect(codec.open(seal(), testSecret("x"), NOW_MS)).toEqual({ refusal: "foreign" });
    expect(codec.open(seal(), secret, NOW_MS).beacon).toEqual(said);
  });
});

describe("replays", () => {
  const { nodeId } = self;

  it("are dropped: boot and sequence rise", () => {
    const table = new BeaconReplayTable();
    expect(table.admit({ nodeId, boot: 5, sequence: 3 }, 0)).toBe("fresh");
    expect(table.admit({ nodeId, boot: 5, sequence: 3 }, 0)).toBe("repeated");
    expect(table.admit({ nodeId, boot: 5, sequence: 2 }, 0)).toBe("replayed");
    expect(table.admit({ nodeId, boot: 5, sequence: 4 }, 0)).toBe("fresh");
    expect(table.admit({ nodeId, boot: 6, sequence: 1 }, 0)).toBe("fresh");
  });

  it("of an older start are a hint, one a minute, and never the same twice", () => {
    const table = new BeaconReplayTable();
    table.admit({ nodeId, boot: 9, sequence: 1 }, 0);
    expect(table.admit({ nodeId, boot: 5, sequence: 3 }, 0)).toBe("hint");
    expect(table.admit({ nodeId, boot: 4, sequence: 9 }, 59_999)).toBe("replayed");
    expect(table.admit({ nodeId, boot: 5, sequence: 3 }, 60_000)).toBe("replayed");
    expect(table.admit({ nodeId, boot: 5, sequence: 4 }, 60_000)).toBe("hint");
    expect(table.admit({ nodeId, boot: 9, sequence: 2 }, 60_000)).toBe("fresh");
  });

  it("let no stamp be fresh twice, whatever the order", () => {
    const stamp = fc.record({ boot: fc.nat(4), sequence: fc.nat(6) });
    fc.assert(
      fc.property(fc.array(stamp, { maxLength: 60 }), (stamps) => {
        const table = new BeaconReplayTable();
        const seen = new Set<string>();
        for (const { boot, sequence } of stamps) {
          const key = `${boot}/${sequence}`;
          const early = table.drops({ nodeId, boot, sequence });
          const novelty = table.admit({ nodeId, boot, sequence }, 0);
          if (early !== undefined) expect(novelty).toBe(early);
          if (novelty === "fresh") {
            expect(seen.has(key)).toBe(false);
            seen.add(key);
          }
        }
      }),
    );
  });

  it("are remembered of a bounded number of senders", () => {
    const table = new BeaconReplayTable(2);
    for (const name of ["a", "b", "c", "a"]) {
      table.admit({ nodeId: testSelf(name).nodeId, boot: 1, sequence: 1 }, 0);
    }
    expect(table.senders).toBe(2);
  });
});
