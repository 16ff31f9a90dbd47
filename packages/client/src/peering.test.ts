import type { PeerRedemption } from "@hearthmesh/collective";
import { MeshError, parseTrustDomain } from "@hearthmesh/core";
import { generateKeyPair, type InviteCode, parseInvite } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exchangeBundles, redeemPeering, sayFarewell } from "./peering.js";
import { SettableClock, SmallMember } from "./testing/small-member.js";

let clock: SettableClock;
let alice: SmallMember;
let mallory: SmallMember;
let bob: SmallMember;

beforeEach(async () => {
  clock = new SettableClock();
  [alice, mallory, bob] = (await Promise.all(
    ["alice", "alice", "bob"].map((name) => SmallMember.create(name, clock)),
  )) as [SmallMember, SmallMember, SmallMember];
});
afterEach(async () => {
  await Promise.all([alice, mallory, bob].map((member) => member.stop()));
});

/** The parts of a peering code are those of an invite. */
const codeOf = (member: SmallMember, ...ports: number[]) => parseInvite(member.invite(...ports));
const redemption = ({ id, secret }: InviteCode): PeerRedemption => ({
  inviteId: id,
  secret,
  bundle: { from: "bob" },
  proof: "proof",
});

describe("redeemPeering", () => {
  it("sends the secret to the pinned member and answers with its bundle", async () => {
    alice.onRequest = () => ({ bundle: { sequence: 7 } });
    const code = codeOf(alice, await alice.listen());
    const bundle = await redeemPeering(code, redemption(code), { clock });
    expect(bundle).toEqual({ sequence: 7 });
    expect(alice.received).toEqual([
      { method: "POST", path: "/enrol/peer", body: redemption(code), clientNodeId: undefined },
    ]);
  });

  it("sends nothing where another CA answers, nor to anybody but a coordinator", async () => {
    const impostor = await mallory.listen();
    const node = await alice.listen("node");
    for (const port of [impostor, node]) {
      const code = codeOf(alice, port);
      await expect(redeemPeering(code, redemption(code), { clock })).rejects.toMatchObject({
        code: "MESH_PIN_MISMATCH",
      });
    }
    expect([mallory.received, alice.received]).toEqual([[], []]);
    alice.onRequest = () => ({ bundle: {} });
    const code = codeOf(alice, impostor, await alice.listen());
    await redeemPeering(code, redemption(code), { clock });
    expect([mallory.received.length, alice.received.length]).toEqual([0, 1]);
  });

  it("says what the member said, and that it cannot be reached", async () => {
    alice.onRequest = () => {
      throw new MeshError("MESH_INVITE_USED");
    };
    const code = codeOf(alice, await alice.listen());
    const ask = () => redeemPeering(code, redemption(code), { clock });
    await expect(ask()).rejects.toMatchObject({ code: "MESH_INVITE_USED" });
    await alice.stop();
    await expect(ask()).rejects.toMatchObject({ code: "MESH_UNREACHABLE" });
    const nowhere = codeOf(alice);
    await expect(redeemPeering(nowhere, redemption(nowhere), { clock })).rejects.toMatchObject({
      code: "MESH_INVITE_INVALID",
    });
  });
});

describe("speaking to a peer", () => {
  async function speaker() {
    const { publicKeyPem, privateKeyPem: keyPem } = generateKeyPair();
    const { certificatePem } = await bob.issue(publicKeyPem, "coordinator", "bob-hub");
    const credentials = { keyPem, certificatePem, caCertificatePem: bob.ca.certificatePem };
    return { credentials, clock };
  }
  const memberAt = (port: number, of = alice) => ({
    trustDomain: parseTrustDomain("home.alice"),
    caCertificatesPem: [of.ca.certificatePem],
    coordinators: [{ apiAddresses: [`127.0.0.1:${port}`] }],
  });

  it("hands over the bundle, gets the other one, and says farewell", async () => {
    alice.onRequest = ({ path }) =>
      path === "/api/peers/farewell" ? { heard: true } : { bundle: { sequence: 9 } };
    const member = memberAt(await alice.listen());
    const options = await speaker();
    expect(await exchangeBundles(member, { sequence: 3 }, options)).toEqual({ sequence: 9 });
    await sayFarewell(member, options);
    expect(alice.received.map(({ method, path, body }) => [method, path, body])).toEqual([
      ["PUT", "/api/peers/bundle", { bundle: { sequence: 3 } }],
      ["POST", "/api/peers/farewell", {}],
    ]);
  });

  it("says nothing to a server that the peer's own CA has not signed", async () => {
    const options = await speaker();
    const member = memberAt(await mallory.listen());
    for (const ask of [exchangeBundles(member, {}, options), sayFarewell(member, options)]) {
      await expect(ask).rejects.toMatchObject({ code: "MESH_CERT_UNTRUSTED" });
    }
    const bobsDoor = memberAt(await bob.listen(), bob);
    await expect(exchangeBundles(bobsDoor, {}, options)).rejects.toThrow();
    expect([mallory.received, bob.received]).toEqual([[], []]);
  });
});
