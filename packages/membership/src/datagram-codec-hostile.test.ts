import type { NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import { decodeClaims, decodeDatagram, encodeClaims, encodeDatagram } from "./datagram-codec.js";
import { DATAGRAM_CLAIMS_MAX, NODE_META_BYTES_MAX, PROOF_BYTES_MAX } from "./limits.js";
import type { Claim, SwimMessage } from "./swim/messages.js";
import { codeOf, id, idHex, record, unhex } from "./testing/wire-fixtures.js";

describe("a hostile datagram", () => {
  const head = `d70105${idHex(1)}`;
  const self = `0201${"016e"}${"03683a31"}${"00"}${"00"}${"00"}`;
  const refused: [string, string][] = [
    ["a datagram cut in its sender", "d70105aabb"],
    ["an unknown kind", `d70107${idHex(1)}`],
    ["kind 0", `d70100${idHex(1)}`],
    ["an unknown claim", `${head}05010001`],
    ["a claim cut short", `${head}030100`],
    ["something left over", `d70102${idHex(1)}0000`],
    ["an id of the table that is not there", `${head}03020001`],
    ["an id number far out", `${head}03${"ff".repeat(7)}0f0001`],
    ["an id that is given twice", `${head}0300${idHex(1)}0001`],
    ["a varint that is too long", `d70102${idHex(1)}${"80".repeat(7)}00`],
    ["a varint with a byte too many", `d70102${idHex(1)}8500`],
    ["a varint of 2^53", `d70102${idHex(1)}${"80".repeat(7)}10`],
    ["a varint without end", `d70102${idHex(1)}${"ff".repeat(40)}`],
    ["a name longer than the limit", `${head}010140${"61".repeat(64)}03683a31000000`],
    ["a name longer than the bytes", `${head}01013f6161`],
    ["a name of 2^53 bytes", `${head}0101${"ff".repeat(7)}0f`],
    ["a name that is not UTF-8", `${head}010102c328${"03683a31"}000000`],
    ["a surrogate in UTF-8", `${head}010103eda080${"03683a31"}000000`],
    ["a line break in a name", `${head}0101010a${"03683a31"}000000`],
    ["an empty address", `${head}0101016e00000000`],
    ["an address with a space", `${head}0101016e03682031000000`],
    ["an address that is not ASCII", `${head}0101016e04c3a93a31000000`],
    ["an address longer than the limit", `${head}0101016e8101${"61".repeat(129)}000000`],
    ["meta longer than the limit", `${head}0101016e03683a31008104${"00".repeat(513)}00`],
    ["a proof longer than the limit", `${head}0101016e03683a3100008101${"00".repeat(129)}`],
    ["more claims than a datagram may have", head + "03010001".repeat(DATAGRAM_CLAIMS_MAX + 1)],
    ["more bytes than a datagram may have", head + self.repeat(130)],
  ];

  it.each(refused)("is refused for %s", (_, text) => {
    expect(codeOf(() => decodeDatagram(unhex(text)))).toBe("MESH_BAD_REQUEST");
  });

  it("is not refused when the same is within the limits", () => {
    for (const text of [
      head + self,
      head + "03010001".repeat(DATAGRAM_CLAIMS_MAX),
      `d70102${idHex(1)}${"ff".repeat(7)}0f`,
      `${head}01013f${"61".repeat(63)}03683a31000000`,
      `${head}0101016e8001${"61".repeat(128)}000000`,
      `${head}0101016e03683a31008004${"00".repeat(512)}00`,
      `${head}0101016e03683a3100008001${"00".repeat(128)}`,
    ]) {
      expect(codeOf(() => decodeDatagram(unhex(text)))).toBe("none");
    }
  });

  it("is told apart from one of another protocol or version", () => {
    expect(codeOf(() => decodeDatagram(unhex("160301")))).toBe("MESH_PROTOCOL");
    expect(codeOf(() => decodeDatagram(unhex(`d70205${idHex(1)}`)))).toBe("MESH_PROTOCOL");
    expect(codeOf(() => decodeClaims(unhex("d70006")))).toBe("MESH_PROTOCOL");
    expect(codeOf(() => decodeDatagram(new Uint8Array(0)))).toBe("MESH_BAD_REQUEST");
  });

  it("leaves a record nothing of the receive buffer", () => {
    const claims: Claim[] = [{ kind: "self", record: record(1, 60) }];
    const { bytes } = encodeDatagram({ kind: "gossip", from: id(1), claims });
    const buffer = Buffer.from(bytes);
    const message = decodeDatagram(buffer);
    buffer.fill(0);
    expect(message.claims).toEqual(claims);
    const [read] = message.claims;
    expect(read?.kind === "self" && read.record.meta.buffer.byteLength).toBe(60);
  });
});

describe("values that have no bytes", () => {
  const gossip = (claims: Claim[]): SwimMessage => ({ kind: "gossip", from: id(1), claims });
  const suspicion = { kind: "suspect" as const, nodeId: id(2), incarnation: 1, from: id(1) };
  const stray = `${id(2).slice(0, -1)}b` as NodeId;

  it.each([-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])("such as %d", (number) => {
    const ack: SwimMessage = { kind: "ack", sequence: number, from: id(1), claims: [] };
    expect(codeOf(() => encodeDatagram(ack))).toBe("MESH_BAD_REQUEST");
    const claims: Claim[] = [{ ...suspicion, incarnation: number }];
    expect(codeOf(() => encodeDatagram(gossip(claims)))).toBe("MESH_BAD_REQUEST");
    expect(codeOf(() => encodeClaims(claims))).toBe("MESH_BAD_REQUEST");
  });

  it("such as ids with stray bits, and fields outside their limits", () => {
    const claims: Claim[] = [
      { ...suspicion, nodeId: stray },
      { ...suspicion, from: "" as NodeId },
      { kind: "self", record: { ...record(1, 0), name: "\u0000" } },
      { kind: "self", record: { ...record(1, 0), name: "\udc00" } },
      { kind: "self", record: { ...record(1, 0), address: "é:1" } },
      { kind: "self", record: record(1, NODE_META_BYTES_MAX + 1) },
      { kind: "self", record: { ...record(1, 0), proof: new Uint8Array(PROOF_BYTES_MAX + 1) } },
    ];
    for (const claim of claims) {
      expect(codeOf(() => encodeDatagram(gossip([claim])))).toBe("MESH_BAD_REQUEST");
    }
  });

  it("such as limits that are too high, or too low for the head", () => {
    expect(codeOf(() => encodeDatagram(gossip([]), 1401))).toBe("MESH_BAD_REQUEST");
    expect(codeOf(() => encodeDatagram(gossip([]), Number.NaN))).toBe("MESH_BAD_REQUEST");
    expect(codeOf(() => encodeDatagram(gossip([]), 34))).toBe("MESH_LIMIT");
    expect(encodeDatagram(gossip([suspicion]), 35).claimsTaken).toBe(0);
    expect(encodeDatagram(gossip([suspicion]), 35 + 35).claimsTaken).toBe(0);
    expect(encodeDatagram(gossip([suspicion]), 35 + 36).claimsTaken).toBe(1);
  });
});
