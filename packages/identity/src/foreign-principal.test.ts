import type { NodeId, TrustDomain } from "@hearthmesh/core";
import { beforeAll, describe, expect, it } from "vitest";
import { createVerifier } from "./certificate-verify.js";
import {
  ForeignVerifier,
  isForeign,
  type KnownMember,
  verifyOwnOrForeign,
} from "./foreign-principal.js";
import { forge, HOUR_MS, memberFixture, NOW_MS } from "./testing/member-fixture.js";

type Member = Awaited<ReturnType<typeof memberFixture>>;
const code = (name: string) => expect.objectContaining({ code: name });
let alice: Member;
let bob: Member;
let carol: Member;

beforeAll(async () => {
  alice = await memberFixture("alice");
  bob = await memberFixture("bob", "garage.bob" as TrustDomain);
  carol = await memberFixture("carol", "office.carol" as TrustDomain);
});

/** What Alice knows of Bob and Carol. */
function world() {
  const known = new Map<string, KnownMember>();
  for (const { bundle, ca } of [bob, carol]) {
    known.set(bundle.trustDomain, {
      trustDomain: bundle.trustDomain,
      caCertificatesPem: [ca.certificatePem],
      bundleNotAfterMs: NOW_MS + HOUR_MS,
    });
  }
  const revoked = new Set<NodeId>();
  const foreign = new ForeignVerifier({
    get: (trustDomain) => known.get(trustDomain),
    isRevoked: (_domain, nodeId) => revoked.has(nodeId),
  });
  const own = createVerifier(alice.bundle);
  const judge = (der: Uint8Array, nowMs = NOW_MS) => verifyOwnOrForeign([der], own, foreign, nowMs);
  return { known, revoked, foreign, judge };
}

describe("a certificate of another member", () => {
  it("makes a foreign principal, whatever it is there", async () => {
    const { judge } = world();
    for (const kind of ["coordinator", "node", "person"] as const) {
      const name = kind === "person" ? "bob@garage.bob" : "one";
      const { der } = await bob.issue({ kind, name });
      const principal = judge(der);
      expect(principal).toMatchObject({ kind: "foreign", foreignKind: kind, name });
      expect(principal.trustDomain).toBe("garage.bob");
      expect(isForeign(principal)).toBe(true);
    }
    const own = judge((await alice.issue()).der);
    expect([own.kind, isForeign(own)]).toEqual(["node", false]);
  });

  it("is good for its own domain alone: no CA speaks for another (CVE-2026-31360)", async () => {
    const { judge } = world();
    const claims = [
      ["spiffe://home.alice/coordinator/alice-hub", "bob"],
      ["spiffe://office.carol/coordinator/carol-hub", "bob"],
      ["spiffe://office.carol/coordinator/carol-hub", "carol"],
      ["spiffe://home.alice/person/operator@home.alice", "alice"],
    ] as const;
    for (const [uri, issuerName] of claims) {
      const der = await forge(bob.ca, { uris: [uri], issuerName });
      expect(() => judge(der), `${uri} by ${issuerName}`).toThrow(code("MESH_CERT_UNTRUSTED"));
    }
    const names = ["spiffe://garage.bob/node/one", "spiffe://home.alice/coordinator/alice-hub"];
    const both = await forge(bob.ca, { uris: names, issuerName: "bob" });
    expect(() => judge(both)).toThrow(code("MESH_CERT_INVALID"));
    const turned = await forge(bob.ca, { uris: names.reverse(), issuerName: "bob" });
    expect(() => judge(turned)).toThrow(code("MESH_CERT_UNTRUSTED"));
  });

  it("of a member that is not known is nobody's", async () => {
    const { judge } = world();
    const dave = await memberFixture("dave");
    const { der } = await dave.issue();
    expect(() => judge(der)).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(() => judge(new Uint8Array([1, 2, 3]))).toThrow(code("MESH_CERT_INVALID"));
    expect(() => verifyNone(judge)).toThrow(code("MESH_UNAUTHENTICATED"));
  });

  it("is refused once the member is removed, the key revoked, or nothing was heard", async () => {
    const { judge, foreign, known, revoked } = world();
    const { der } = await bob.issue({ kind: "coordinator" });
    const principal = judge(der);
    revoked.add(principal.nodeId);
    expect(() => foreign.check(principal, NOW_MS)).toThrow(code("MESH_CERT_REVOKED"));
    expect(() => judge(der)).toThrow(code("MESH_CERT_REVOKED"));
    revoked.clear();
    foreign.check(principal, NOW_MS + HOUR_MS);
    expect(() => foreign.check(principal, NOW_MS + HOUR_MS + 1)).toThrow(/nothing was heard/);
    known.delete("garage.bob");
    expect(() => foreign.check(principal, NOW_MS)).toThrow(code("MESH_CERT_UNTRUSTED"));
    expect(() => judge(der)).toThrow(code("MESH_CERT_UNTRUSTED"));
  });

  it("is judged by the CA of now when the member changes it", async () => {
    const { judge, known } = world();
    const { der } = await bob.issue();
    expect(judge(der).kind).toBe("foreign");
    const other = await memberFixture("bob", "garage.bob" as TrustDomain);
    const before = known.get("garage.bob") as KnownMember;
    known.set("garage.bob", { ...before, caCertificatesPem: [other.ca.certificatePem] });
    expect(() => judge(der)).toThrow(code("MESH_CERT_UNTRUSTED"));
  });
});

function verifyNone(judge: (der: Uint8Array) => unknown): unknown {
  return judge(undefined as unknown as Uint8Array);
}
