import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeIdFromBytes } from "../record-proof.js";
import {
  announcementNumber,
  announcementPayload,
  checkServices,
  decodeAnnouncement,
  isSignedBy,
  type RouteAnnouncement,
  roundedRoundTripMs,
  signAnnouncement,
} from "./announcement.js";
import { ANNOUNCEMENT_BYTES_MAX, SERVICES_BYTES_MAX } from "./limits.js";

const keys = generateKeyPair();
const publicKey = publicKeyDerOf(keys.publicKeyPem);
const sign = signerOf(keys.privateKeyPem);
const self = keys.nodeId;

const nodeIds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeIdFromBytes);
const texts = (maxLength: number) =>
  fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength })
    .map((codes) => String.fromCharCode(...codes));
const services = fc.record({
  name: texts(63),
  capabilities: fc.uniqueArray(texts(32), { maxLength: 6 }).map((list) => list.sort()),
  protocol: fc.constantFrom("http" as const, "tcp" as const),
  health: fc.constantFrom("ok" as const, "failing" as const, "unknown" as const),
  load: fc.nat(0xffff_ffff),
});
const byText = (a: string, b: string) => (a < b ? -1 : 1);
const announcements: fc.Arbitrary<RouteAnnouncement> = fc.record({
  nodeId: fc.constant(self),
  epoch: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  sequence: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  relays: fc.boolean(),
  neighbours: fc
    .uniqueArray(
      fc.record({
        nodeId: nodeIds,
        roundTripMs: fc.integer({ min: 1, max: 600_000 }).map((tenths) => tenths / 10),
        kind: fc.constantFrom("direct" as const, "hub" as const),
      }),
      { maxLength: 8, selector: ({ nodeId }) => nodeId },
    )
    .map((list) => list.sort((a, b) => byText(a.nodeId, b.nodeId))),
  services: fc
    .uniqueArray(services, { maxLength: 5, selector: ({ name }) => name })
    .map((list) => list.sort((a, b) => byText(a.name, b.name))),
});

const plain: RouteAnnouncement = {
  nodeId: self,
  epoch: 7,
  sequence: 3,
  relays: true,
  neighbours: [{ nodeId: nodeIdFromBytes(new Uint8Array(32)), roundTripMs: 1.5, kind: "hub" }],
  services: [{ name: "web", capabilities: ["ai"], protocol: "http", health: "ok", load: 2 }],
};

describe("an announcement", () => {
  it("is read as it was written, whatever order it was given in", () => {
    const property = fc.property(announcements, (announcement) => {
      const shuffled = {
        ...announcement,
        neighbours: [...announcement.neighbours].reverse(),
        services: [...announcement.services].reverse(),
      };
      const bytes = signAnnouncement(shuffled, sign);
      expect(decodeAnnouncement(bytes)).toEqual(announcement);
      const { nodeId, epoch, sequence } = announcement;
      expect(announcementNumber(bytes)).toEqual({ nodeId, epoch, sequence });
      expect(isSignedBy(bytes, self, publicKey)).toBe(true);
      expect(Buffer.compare(announcementPayload(shuffled), bytes.subarray(0, -64))).toBe(0);
    });
    fc.assert(property, { numRuns: 60 });
  });

  it("is not its node's any more when a single bit is another", () => {
    const bytes = signAnnouncement(plain, sign);
    const property = fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      const forged = bytes.slice();
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(isSignedBy(forged, self, publicKey)).toBe(false);
    });
    fc.assert(property, { numRuns: 150 });
  });

  it("is not signed by another key, nor by the right key for another purpose", () => {
    const other = generateKeyPair();
    const foreign = signAnnouncement(plain, signerOf(other.privateKeyPem));
    expect(isSignedBy(foreign, self, publicKey)).toBe(false);
    expect(isSignedBy(foreign, self, publicKeyDerOf(other.publicKeyPem))).toBe(false);
    const payload = announcementPayload(plain);
    const bare = Buffer.concat([payload, sign(payload)]);
    expect(isSignedBy(bare, self, publicKey)).toBe(false);
  });

  it("has one encoding: whatever bytes can be read are written the same again", () => {
    const bytes = signAnnouncement(plain, sign);
    const changes = fc.array(fc.tuple(fc.nat(bytes.length - 65), fc.nat(255)), { maxLength: 3 });
    const property = fc.property(changes, fc.nat(40), (list, cut) => {
      const changed = bytes.slice(0, bytes.length - (cut > 20 ? cut : 0));
      for (const [at, value] of list) if (at < changed.length) changed[at] = value;
      let announcement: RouteAnnouncement;
      try {
        announcement = decodeAnnouncement(changed);
      } catch (error) {
        expect(error).toMatchObject({ code: "MESH_BAD_REQUEST" });
        return;
      }
      const payload = announcementPayload(announcement);
      expect(Buffer.compare(payload, changed.subarray(0, -64))).toBe(0);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it("throws nothing but a refusal for any bytes", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const read of [decodeAnnouncement, announcementNumber]) {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "MESH_BAD_REQUEST" });
        }
      }
    });
    fc.assert(property, { numRuns: 300 });
    const huge = new Uint8Array(ANNOUNCEMENT_BYTES_MAX + 1);
    expect(() => decodeAnnouncement(huge)).toThrow(/too large/);
    expect(() => announcementNumber(huge)).toThrow(/too large/);
  });

  it("refuses what is out of its limits when it is written", () => {
    const twice = [...plain.neighbours, ...plain.neighbours];
    const bad: Partial<RouteAnnouncement>[] = [
      { epoch: 0 },
      { sequence: 2 ** 48 },
      { epoch: 1.5 },
      { neighbours: twice },
      { neighbours: [{ nodeId: self, roundTripMs: 1, kind: "direct" }] },
      { services: [...plain.services, ...plain.services] },
    ];
    for (const change of bad) {
      expect(() => announcementPayload({ ...plain, ...change })).toThrow(
        expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
      );
    }
  });

  it("fits its size with as many neighbours and services as the limits allow", () => {
    const neighbours = Array.from({ length: 256 }, (_, index) => {
      const nodeId = nodeIdFromBytes(new Uint8Array(32).fill(index));
      return { nodeId, roundTripMs: 60_000, kind: "hub" as const };
    });
    const many = Array.from({ length: 64 }, (_, index) => ({
      name: `${index}`.padEnd(63, "x"),
      capabilities: Array.from({ length: 7 }, (_, item) => `${item}`.padEnd(32, "y")),
      protocol: "tcp" as const,
      health: "unknown" as const,
      load: 0xffff_ffff,
    }));
    checkServices(many);
    const bytes = signAnnouncement({ ...plain, neighbours, services: many }, sign);
    // What the services could take beyond that still fits.
    const spare = ANNOUNCEMENT_BYTES_MAX - bytes.length;
    const taken = announcementPayload({ ...plain, services: many }).length;
    expect(spare).toBeGreaterThanOrEqual(SERVICES_BYTES_MAX - taken);
    const larger = many.map((service) => {
      const more = ["x", "y", "z"].map((letter) => letter.repeat(32));
      return { ...service, capabilities: [...service.capabilities, ...more] };
    });
    const limit = expect.objectContaining({ code: "MESH_LIMIT" });
    expect(() => checkServices(larger)).toThrow(limit);
    expect(() => checkServices([...many, { ...(many[0] as object), name: "n" } as never])).toThrow(
      limit,
    );
    expect(() => checkServices([{ ...many[0]!, name: "with space" }])).toThrow(
      expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
    );
  });

  it("rounds round trips to tenths of a millisecond within bounds", () => {
    expect([0.04, 0, -3, Number.NaN, 1.26, 1e9].map(roundedRoundTripMs)).toEqual([
      0.1, 0.1, 0.1, 0.1, 1.3, 60_000,
    ]);
  });
});
