import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeMessage,
  type NodeId,
  parseTrustDomain,
  systemClock,
  systemRandom,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  createMemberCa,
  decodePem,
  generateKeyPair,
  issueCertificate,
  type MemberCa,
  type PeerTrustList,
  type Principal,
  publicKeyDerOf,
  signPeerTrustList,
} from "@hearthmesh/identity";
import type { IncomingRequest } from "@hearthmesh/qwormhole";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { NodeTrust } from "../node-trust.js";

const alice = parseTrustDomain("home.alice");
const bob = parseTrustDomain("garage.bob");
const tools = { clock: systemClock(), random: systemRandom() };
const code = (name: string) => expect.objectContaining({ code: name });
let aliceCa: MemberCa;
let bobCa: MemberCa;
let folder = "";
let changes = 0;

beforeAll(async () => {
  aliceCa = await createMemberCa({ memberId: "alice", trustDomain: alice, ...tools });
  bobCa = await createMemberCa({ memberId: "bob", trustDomain: bob, ...tools });
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hearthmesh-peers-"));
  changes = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () =>
  NodeTrust.open({
    home: folder,
    bundle: { trustDomain: alice, sequence: 1, caCertificatesPem: [aliceCa.certificatePem] },
    clock: tools.clock,
    onRevoked: () => undefined,
    onPeersChanged: () => {
      changes++;
    },
  });

function list(
  sequence: number,
  more: { peers?: boolean; revoked?: NodeId[]; endsMs?: number } = {},
) {
  const { peers = true, revoked = [], endsMs = tools.clock.nowMs() + 60_000 } = more;
  const peer = {
    trustDomain: bob,
    caCertificatesPem: [bobCa.certificatePem],
    bundleNotAfterMs: endsMs,
    revokedNodeIds: revoked,
  };
  const content = { trustDomain: alice, sequence, peers: peers ? [peer] : [] };
  return signPeerTrustList(content, aliceCa.privateKeyPem);
}

async function send(trust: NodeTrust, content: unknown, kind: Principal["kind"] = "coordinator") {
  const [part] = trust.methods();
  return part?.handlers.onRequest?.({
    method: "node.peers",
    body: Buffer.concat(encodeMessage({}, Buffer.from(JSON.stringify(content) ?? ""))),
    signal: new AbortController().signal,
    peer: { identity: { kind, name: "somebody" } },
  } as unknown as IncomingRequest);
}

async function certificate(ca: MemberCa, trustDomain: TrustDomain) {
  const { publicKeyPem, nodeId } = generateKeyPair();
  const { certificatePem } = await issueCertificate({
    ca,
    kind: "coordinator",
    name: "hub",
    trustDomain,
    publicKeyDer: publicKeyDerOf(publicKeyPem),
    validityMs: 60_000,
    ...tools,
  });
  return { der: decodePem("CERTIFICATE", certificatePem), nodeId };
}

describe("a node without an authority", () => {
  it("believes people of peers by the list of its coordinator, also after a restart", async () => {
    const trust = await open();
    const { der } = await certificate(bobCa, bob);
    expect(() => trust.principalOf([der])).toThrow(code("MESH_CERT_UNTRUSTED"));
    await send(trust, list(1));
    expect(trust.principalOf([der])).toMatchObject({ kind: "foreign", foreignKind: "coordinator" });
    expect(trust.foreignAuthoritiesPem()).toEqual([bobCa.certificatePem]);
    const again = await open();
    const principal = again.principalOf([der]);
    expect(principal.kind).toBe("foreign");
    again.check(principal);
    const own = await certificate(aliceCa, alice);
    expect(again.principalOf([own.der]).kind).toBe("coordinator");
  });

  it("refuses them at once when the peer was removed, and keeps to the newest list", async () => {
    const trust = await open();
    const { der } = await certificate(bobCa, bob);
    await send(trust, list(5));
    const principal = trust.principalOf([der]);
    await send(trust, list(7, { peers: false }));
    expect(() => trust.check(principal)).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(() => trust.principalOf([der])).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(trust.foreignAuthoritiesPem()).toEqual([]);
    // A list that somebody kept, or that a coordinator that was replaced still sends.
    await send(trust, list(6));
    await send(trust, list(7));
    expect(() => trust.principalOf([der])).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(changes).toBe(2);
    expect(JSON.parse(readFileSync(join(folder, "peers.json"), "utf8")).sequence).toBe(7);
  });

  it("refuses keys that the peer revoked, and a peer that was not heard of", async () => {
    const trust = await open();
    const { der, nodeId } = await certificate(bobCa, bob);
    const other = await certificate(bobCa, bob);
    await send(trust, list(1, { revoked: [nodeId] }));
    expect(() => trust.principalOf([der])).toThrow(code("MESH_CERT_REVOKED"));
    const principal = trust.principalOf([other.der]);
    await send(trust, list(2, { endsMs: 1 }));
    expect(() => trust.check(principal)).toThrow(code("MESH_CERT_EXPIRED"));
  });

  it("takes lists from a coordinator of its own member alone, signed by its CA", async () => {
    const trust = await open();
    for (const kind of ["node", "person", "foreign"] as const) {
      await expect(send(trust, list(1), kind)).rejects.toThrow(code("MESH_FORBIDDEN"));
    }
    const content = { trustDomain: alice, sequence: 9, peers: list(1).peers };
    const forged = signPeerTrustList(content, bobCa.privateKeyPem);
    await expect(send(trust, forged)).rejects.toThrow(code("MESH_CERT_UNTRUSTED"));
    const foreign = signPeerTrustList({ ...content, trustDomain: bob }, bobCa.privateKeyPem);
    await expect(send(trust, foreign)).rejects.toThrow(code("MESH_CERT_UNTRUSTED"));
    const invalid = code("MESH_CERT_INVALID");
    for (const bad of [undefined, null, 1, [], { ...list(1), peers: {} }, { v: 1 }]) {
      await expect(send(trust, bad)).rejects.toThrow(invalid);
    }
    // Not even its own CA may say that another speaks for this member.
    const claims: PeerTrustList["peers"][] = [
      [{ ...list(1).peers[0]!, trustDomain: alice }],
      [{ ...list(1).peers[0]!, caCertificatesPem: [aliceCa.certificatePem] }],
    ];
    for (const peers of claims) {
      const signed = signPeerTrustList({ ...content, peers }, aliceCa.privateKeyPem);
      await expect(send(trust, signed)).rejects.toThrow(invalid);
    }
    expect(changes).toBe(0);
  });

  it("says so when the list on its disk is damaged", async () => {
    writeFileSync(join(folder, "peers.json"), "{}");
    await expect(open()).rejects.toThrow(code("MESH_STORE_CORRUPT"));
  });
});
