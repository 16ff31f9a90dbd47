import { encodeCbor } from "@hearthmesh/qwormhole";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NODE_META_BYTES_MAX } from "../limits.js";
import { codeOf } from "../testing/wire-fixtures.js";
import { decodeNodeMeta, encodeNodeMeta, type NodeMeta } from "./node-meta.js";

const META: NodeMeta = {
  boot: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  linkAddresses: ["192.168.1.10:9000", "[fd00::1]:9000"],
  roles: ["storage"],
  capabilities: ["ai", "compute"],
  site: "garage",
  version: "0.1.0",
  relays: true,
  isHub: false,
};

const text = fc.stringMatching(/^[a-z0-9-]{0,40}$/);
const metas = fc.record({
  boot: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  linkAddresses: fc.array(fc.stringMatching(/^[a-z0-9.]{1,60}:[1-9][0-9]{0,3}$/), {
    maxLength: 20,
  }),
  roles: fc.array(fc.constantFrom("storage", "gateway"), { maxLength: 3 }),
  capabilities: fc.array(text, { maxLength: 40 }),
  site: text,
  version: text,
  relays: fc.boolean(),
  isHub: fc.boolean(),
});

describe("the meta of a node", () => {
  it("comes back as it was", () => {
    const { bytes, dropped } = encodeNodeMeta(META);
    expect(dropped).toBe(0);
    expect(decodeNodeMeta(bytes)).toEqual(META);
  });

  it("fits its limit: the last addresses go first, and what is left is true", () => {
    fc.assert(
      fc.property(metas, (meta) => {
        const { bytes, dropped } = encodeNodeMeta(meta);
        expect(bytes.length).toBeLessThanOrEqual(NODE_META_BYTES_MAX);
        const decoded = decodeNodeMeta(bytes) as NodeMeta;
        const { linkAddresses, capabilities } = decoded;
        expect(linkAddresses).toEqual(meta.linkAddresses.slice(0, linkAddresses.length));
        expect(capabilities).toEqual(meta.capabilities.slice(0, capabilities.length));
        const left = linkAddresses.length + capabilities.length;
        expect(left + dropped).toBe(meta.linkAddresses.length + meta.capabilities.length);
        if (meta.linkAddresses.length > 0) expect(linkAddresses.length).toBeGreaterThan(0);
      }),
    );
  });

  it("may have fields that are not known here", () => {
    const bytes = encodeCbor({ b: META.boot, zz: [1, { later: true }] });
    expect(decodeNodeMeta(bytes)).toMatchObject({ boot: META.boot, linkAddresses: [] });
  });

  it.each([
    ["nothing", new Uint8Array(0)],
    ["no map", encodeCbor([1])],
    ["no boot", encodeCbor({ s: "x" })],
    ["a short boot", encodeCbor({ b: new Uint8Array(7) })],
    ["a site with a line break", encodeCbor({ b: META.boot, s: "a\nb" })],
    ["an address without a port", encodeCbor({ b: META.boot, a: ["host"] })],
    ["too many addresses", encodeCbor({ b: META.boot, a: Array(17).fill("h:1") })],
    ["a role that is no text", encodeCbor({ b: META.boot, r: [1] })],
    ["a number for a boolean", encodeCbor({ b: META.boot, p: 1 })],
    ["too many bytes", encodeCbor({ b: META.boot, zz: "x".repeat(600) })],
  ])("is undefined for %s", (_, bytes) => {
    expect(decodeNodeMeta(bytes)).toBeUndefined();
  });

  it("is undefined for any other bytes, and never an error", () => {
    const { bytes } = encodeNodeMeta(META);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = value;
        decodeNodeMeta(damaged);
      }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (any) => void decodeNodeMeta(any)));
  });

  it("is refused when no node would accept it", () => {
    expect(codeOf(() => encodeNodeMeta({ ...META, site: "\u0000" }))).toBe("MESH_BAD_REQUEST");
    expect(codeOf(() => encodeNodeMeta({ ...META, boot: new Uint8Array(3) }))).toBe(
      "MESH_BAD_REQUEST",
    );
  });
});
