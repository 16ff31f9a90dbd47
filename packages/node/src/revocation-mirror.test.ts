import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeMessage,
  type NodeId,
  parseTrustDomain,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import {
  createMemberCa,
  generateKeyPair,
  type Principal,
  type RevocationList,
  signRevocationList,
  type TrustBundle,
} from "@hearthmesh/identity";
import type { IncomingRequest } from "@hearthmesh/qwormhole";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RevocationMirror } from "./revocation-mirror.js";

const trustDomain = parseTrustDomain("home.alice");
const carol = generateKeyPair().nodeId;
const tools = { clock: systemClock(), random: systemRandom() };
let folder = "";
let bundle: TrustBundle;
let caKeyPem = "";
let told: NodeId[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hearthmesh-revocations-"));
  const ca = await createMemberCa({ memberId: "alice", trustDomain, ...tools });
  caKeyPem = ca.privateKeyPem;
  bundle = { trustDomain, sequence: 1, caCertificatesPem: [ca.certificatePem] };
  told = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () =>
  RevocationMirror.open({
    path: join(folder, "revocations.json"),
    bundle,
    onRevoked: (nodeId) => told.push(nodeId),
  });

function list(epoch: number, nodeIds: readonly NodeId[]): RevocationList {
  const entries = nodeIds.map((nodeId) => ({
    nodeId,
    spiffeId: "spiffe://home.alice/person/carol@office.carol",
    reason: "test",
    atMs: 1,
  }));
  return signRevocationList({ trustDomain, epoch, issuedAtMs: 1, entries }, caKeyPem);
}

function send(mirror: RevocationMirror, content: object, kind: Principal["kind"] = "coordinator") {
  return mirror.onRequest({
    method: "node.revocations",
    body: Buffer.concat(encodeMessage(content)),
    peer: { identity: { kind, name: "somebody" } as Principal },
  } as unknown as IncomingRequest);
}

describe("the mirror of revocations", () => {
  it("refuses a revoked key from the moment that the list came, also after a restart", async () => {
    const mirror = await open();
    const somebody = { nodeId: carol, name: "carol" };
    expect(() => mirror.check(somebody)).not.toThrow();
    await send(mirror, { list: list(1, [carol]) });
    expect(told).toEqual([carol]);
    expect(() => mirror.check(somebody)).toThrowError(/carol was revoked/);
    const again = await open();
    expect(() => again.check(somebody)).toThrowError(/carol was revoked/);
  });

  it("does not forget when an older list arrives late", async () => {
    const mirror = await open();
    await send(mirror, { list: list(2, [carol]) });
    await send(mirror, { list: list(1, []) });
    expect(() => mirror.check({ nodeId: carol, name: "carol" })).toThrowError(/revoked/);
  });

  it("takes lists from the coordinator alone, and only signed ones", async () => {
    const mirror = await open();
    await expect(send(mirror, { list: list(1, [carol]) }, "node")).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
    const forged = { ...list(1, []), entries: list(1, [carol]).entries };
    await expect(send(mirror, { list: forged })).rejects.toMatchObject({
      code: "MESH_CERT_UNTRUSTED",
    });
    await expect(send(mirror, {})).rejects.toMatchObject({ code: "MESH_CERT_INVALID" });
    expect(told).toEqual([]);
  });

  it("says when its file is damaged instead of letting everybody in", async () => {
    await send(await open(), { list: list(1, [carol]) });
    const path = join(folder, "revocations.json");
    writeFileSync(path, readFileSync(path, "utf8").slice(0, 40));
    await expect(open()).rejects.toMatchObject({ code: "MESH_STORE_CORRUPT" });
  });
});
