import type { InviteId, MemberId, NodeId, TrustDomain } from "@hearthmesh/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { caPinOf } from "./ca-pin.js";
import { encodeInvite, encodePeering, parseInvite, parsePeering } from "./invite-code.js";
import { signRevocationList } from "./revocation.js";
import { memberFixture, NOW_MS } from "./testing/member-fixture.js";
import {
  pairFingerprint,
  signTrustBundle,
  verifyOwnTrustBundle,
  verifyTrustBundle,
} from "./trust-bundle.js";
import type { SignedTrustBundle } from "./types.js";

type Member = Awaited<ReturnType<typeof memberFixture>>;
const DAY_MS = 86_400_000;
const invalid = expect.objectContaining({ code: "MESH_BUNDLE_INVALID" });
let alice: Member;
let bob: Member;

beforeAll(async () => {
  alice = await memberFixture("alice");
  bob = await memberFixture("bob", "garage.bob" as TrustDomain);
});

function bundleOf(member: Member, more: Partial<SignedTrustBundle> = {}): SignedTrustBundle {
  const { trustDomain } = member.bundle;
  const { privateKeyPem } = member.ca;
  const list = { trustDomain, epoch: 0, issuedAtMs: NOW_MS, entries: [] };
  return signTrustBundle(
    {
      trustDomain,
      memberId: (member === alice ? "alice" : "bob") as MemberId,
      sequence: 7,
      issuedAtMs: NOW_MS,
      caCertificatesPem: [member.ca.certificatePem],
      coordinators: [
        {
          nodeId: "a".repeat(52) as NodeId,
          name: "hub",
          apiAddresses: ["hub.example:8001"],
          linkAddresses: ["[fd00::1]:9000"],
          enrolmentAddresses: [],
        },
      ],
      revocations: signRevocationList(list, privateKeyPem),
      ...more,
    },
    privateKeyPem,
  );
}
const known = (member: Member) => ({
  trustDomain: member.bundle.trustDomain,
  caCertificatesPem: [member.ca.certificatePem],
});

describe("a trust bundle", () => {
  it("is believed by the CA that is known for its domain, or by the pin of a code", () => {
    const bundle = bundleOf(bob);
    const sent: unknown = JSON.parse(JSON.stringify(bundle));
    expect(verifyTrustBundle(sent, known(bob), NOW_MS)).toEqual(bundle);
    expect(verifyTrustBundle(sent, { caPin: caPinOf(bob.ca.certificatePem) }, NOW_MS)).toEqual(
      bundle,
    );
    expect(verifyOwnTrustBundle(sent, NOW_MS)).toEqual(bundle);
    expect(bundle.notAfterMs - bundle.issuedAtMs).toBe(7 * DAY_MS);
  });

  it("is not believed when any field of it was changed", () => {
    const bundle = bundleOf(bob);
    const changes: Partial<SignedTrustBundle>[] = [
      { sequence: 8 },
      { issuedAtMs: NOW_MS - 1 },
      { notAfterMs: bundle.notAfterMs - 1 },
      { coordinators: [] },
      { memberId: "rob" as MemberId },
      { trustDomain: "home.alice" as TrustDomain },
      { caCertificatesPem: [alice.ca.certificatePem] },
      { caCertificatesPem: [] },
      { revocations: bundleOf(alice).revocations },
      { signature: bundleOf(alice).signature },
      { v: 2 as 1 },
    ];
    for (const change of changes) {
      const changed = { ...bundle, ...change };
      expect(() => verifyTrustBundle(changed, known(bob), NOW_MS), Object.keys(change)[0]).toThrow(
        invalid,
      );
      expect(() => verifyOwnTrustBundle(changed, NOW_MS)).toThrow(invalid);
    }
  });

  it("of another member is not taken for one of this, whoever signed it", () => {
    expect(() => verifyTrustBundle(bundleOf(alice), known(bob), NOW_MS)).toThrow(invalid);
    const stolen = bundleOf(bob, {
      trustDomain: alice.bundle.trustDomain,
      caCertificatesPem: [alice.ca.certificatePem],
      memberId: "alice" as MemberId,
    });
    expect(() => verifyTrustBundle(stolen, known(alice), NOW_MS)).toThrow(invalid);
    expect(() => verifyOwnTrustBundle(stolen, NOW_MS)).toThrow(invalid);
    const both = bundleOf(bob, {
      caCertificatesPem: [bob.ca.certificatePem, alice.ca.certificatePem],
    });
    expect(() => verifyOwnTrustBundle(both, NOW_MS)).toThrow(invalid);
  });

  it("of a pinned member has the pinned CA first: its words are compared", async () => {
    const twin = await memberFixture("bob", "garage.bob" as TrustDomain);
    const caCertificatesPem = [bob.ca.certificatePem, twin.ca.certificatePem];
    const bundle = signTrustBundle({ ...bundleOf(bob), caCertificatesPem }, twin.ca.privateKeyPem);
    expect(() => verifyOwnTrustBundle(bundle, NOW_MS)).toThrow(invalid);
    const pin = { caPin: caPinOf(twin.ca.certificatePem) };
    expect(() => verifyTrustBundle(bundle, pin, NOW_MS)).toThrow(invalid);
  });

  it("ends after a week, and does not come from the future", () => {
    const bundle = bundleOf(bob);
    expect(verifyTrustBundle(bundle, known(bob), NOW_MS + 7 * DAY_MS - 1)).toBeDefined();
    expect(() => verifyTrustBundle(bundle, known(bob), NOW_MS + 7 * DAY_MS)).toThrow(/expired/);
    expect(() => verifyTrustBundle(bundle, known(bob), NOW_MS - DAY_MS)).toThrow(/future/);
  });

  it("that is anything else never throws anything else", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => verifyOwnTrustBundle(value, NOW_MS)).toThrow(invalid);
      }),
    );
    const coordinators = [{ nodeId: "x" }] as unknown as SignedTrustBundle["coordinators"];
    expect(() => verifyOwnTrustBundle(bundleOf(bob, { coordinators }), NOW_MS)).toThrow(invalid);
  });
});

describe("the words of two members", () => {
  it("are the same on both sides, and others for another pair", async () => {
    const carol = await memberFixture("carol");
    const [a, b, c] = [alice, bob, carol].map(({ ca }) => ca.certificatePem) as [
      string,
      string,
      string,
    ];
    expect(pairFingerprint(a, b)).toBe(pairFingerprint(b, a));
    expect(pairFingerprint(a, b)).toMatch(/^([a-z]{6}-){3}[a-z]{6}$/);
    expect(
      new Set([pairFingerprint(a, b), pairFingerprint(a, c), pairFingerprint(b, c)]).size,
    ).toBe(3);
  });
});

describe("a peering code", () => {
  const code = {
    memberId: "alice" as MemberId,
    caPin: "qmyy6f7hnauunmsw4yd2cetuee",
    id: "abcdefghij" as InviteId,
    secret: "abcdefghijklmnopqrstuvwxyz234567",
    endpoints: [{ host: "alice.example", port: 9001 }],
  };

  it("is read back from text and link", () => {
    const { text, link } = encodePeering(code);
    expect(text.startsWith("hp1-alice-")).toBe(true);
    expect(link.startsWith("mesh://peer/alice.example:9001#hp1-")).toBe(true);
    expect(parsePeering(text)).toEqual(code);
    expect(parsePeering(link.toUpperCase())).toEqual(code);
  });

  it("is never taken for an invite, nor an invite for it", () => {
    const wrong = expect.objectContaining({ code: "MESH_INVITE_INVALID" });
    const forms = (of: typeof encodePeering) => Object.values(of(code));
    for (const form of forms(encodePeering)) expect(() => parseInvite(form)).toThrow(wrong);
    for (const form of forms(encodeInvite)) expect(() => parsePeering(form)).toThrow(wrong);
    expect(() => parseInvite(encodePeering(code).text)).toThrow(/code for a peer/);
    expect(() => parsePeering(encodeInvite(code).text)).toThrow(/an invite/);
    // The kind is under the check characters too.
    const swapped = encodeInvite(code).text.replace(/^hm1/, "hp1");
    expect(() => parsePeering(swapped)).toThrow(/mistyped/);
    expect(() => parsePeering("hp9-x")).toThrow(/another version/);
  });
});
