import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { ChunkId, FileId, NodeId } from "@hearthmesh/core";
import { describe, expect, it } from "vitest";
import type { Ticket } from "../types.js";
import { signTicket, TicketVerifier, verifyTicket } from "./tickets.js";

const holder = "h".repeat(52) as NodeId;
const node = "n".repeat(52) as NodeId;
const context = { nowMs: 1000, epoch: 3, holder, node };
const ticket: Ticket = {
  v: 1,
  operation: "write",
  holder,
  nodes: [node],
  fileId: "0".repeat(32) as FileId,
  owner: "spiffe://home.alice/person/alice@home.alice",
  firstChunk: 0,
  chunkCount: 64,
  epoch: 3,
  notAfterMs: 2000,
};

function keyPair(kind: "ec" | "ed25519") {
  const pair =
    kind === "ec"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("ed25519");
  return { ...pair, publicKeyDer: pair.publicKey.export({ format: "der", type: "spki" }) };
}

function signer(key: KeyObject) {
  const digest = createPublicKey(key).asymmetricKeyType === "ed25519" ? null : "sha256";
  return (bytes: Uint8Array) => sign(digest, bytes, { key, dsaEncoding: "ieee-p1363" });
}

const { privateKey, publicKeyDer } = keyPair("ec");
const signed = signTicket(ticket, signer(privateKey));

describe("a ticket", () => {
  it.each(["ec", "ed25519"] as const)("holds with the coordinator's %s key", (kind) => {
    const pair = keyPair(kind);
    const text = signTicket(ticket, signer(pair.privateKey));
    expect(verifyTicket(text, { publicKeyDer: pair.publicKeyDer, ...context })).toEqual(ticket);
  });

  it("is refused from another key, changed, or mistyped", () => {
    const other = keyPair("ec");
    const body = Buffer.from(JSON.stringify({ ...ticket, chunkCount: 99 })).toString("base64url");
    const forged = `${body}.${signed.split(".")[1]}`;
    const bad = [
      signTicket(ticket, signer(other.privateKey)),
      forged,
      "",
      "a.b.c",
      "x",
      `${signed}.`,
    ];
    for (const text of bad) {
      expect(() => verifyTicket(text, { publicKeyDer, ...context })).toThrow(
        expect.objectContaining({ code: "MESH_TICKET_INVALID" }),
      );
    }
  });

  it("is refused from another holder, at another node, and when its time is over", () => {
    const verifier = new TicketVerifier(publicKeyDer);
    const cases: [object, RegExp][] = [
      [{ holder: node }, /somebody else/],
      [{ node: holder }, /other nodes/],
      [{ nowMs: 3001 }, /ended 2 s ago/],
    ];
    for (const [change, reason] of cases) {
      expect(verifier.verify(signed, context).ticket).toEqual(ticket);
      expect(() => verifier.verify(signed, { ...context, ...change })).toThrow(reason);
    }
  });

  it("of an old epoch is MESH_EPOCH_OLD, of a newer one good", () => {
    const verifier = new TicketVerifier(publicKeyDer);
    expect(() => verifier.verify(signed, { ...context, epoch: 4 })).toThrow(
      expect.objectContaining({ code: "MESH_EPOCH_OLD" }),
    );
    expect(verifier.verify(signed, { ...context, epoch: 2 }).ticket.epoch).toBe(3);
  });

  it("of a version to come is refused, not half understood", () => {
    const text = signTicket({ ...ticket, v: 2 } as unknown as Ticket, signer(privateKey));
    expect(() => verifyTicket(text, { publicKeyDer, ...context })).toThrow(/version/);
    const { chunkIds: _, ...read } = { ...ticket, operation: "read" as const, chunkIds: [] };
    const bare = signTicket(read, signer(privateKey));
    expect(() => verifyTicket(bare, { publicKeyDer, ...context })).toThrow(/missing/);
  });

  it("names the chunks that may be read", () => {
    const ids = ["a".repeat(64), "b".repeat(64)] as ChunkId[];
    const text = signTicket({ ...ticket, operation: "read", chunkIds: ids }, signer(privateKey));
    const verified = new TicketVerifier(publicKeyDer).verify(text, context);
    expect([...verified.chunkIds]).toEqual(ids);
  });

  it("is remembered, and many of them are forgotten again", () => {
    const verifier = new TicketVerifier(publicKeyDer);
    const first = verifier.verify(signed, context);
    expect(verifier.verify(signed, context)).toBe(first);
    for (let at = 0; at < 300; at++) {
      verifier.verify(signTicket({ ...ticket, firstChunk: at + 1 }, signer(privateKey)), context);
    }
    expect(verifier.verify(signed, context)).not.toBe(first);
  });
});
