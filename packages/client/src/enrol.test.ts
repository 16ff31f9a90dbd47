import { createServer } from "node:net";
import { MeshError } from "@hearthmesh/core";
import { generateKeyPair, type KeyPairPem, parseInvite } from "@hearthmesh/identity";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { enrolWithInvite } from "./enrol.js";
import { SettableClock, SmallMember } from "./testing/small-member.js";

let clock: SettableClock;
let alice: SmallMember;
let mallory: SmallMember;
let keyPair: KeyPairPem;

beforeEach(async () => {
  clock = new SettableClock();
  alice = await SmallMember.create("alice", clock);
  mallory = await SmallMember.create("alice", clock);
  keyPair = generateKeyPair();
});
afterEach(async () => {
  await alice.stop();
  await mallory.stop();
});

const enrol = (inviteText: string) =>
  enrolWithInvite({ inviteText, kind: "person", name: "carol@office.carol", keyPair, clock });

/** A port where nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("enrolWithInvite", () => {
  it("gets a certificate for its own key from the pinned member", async () => {
    const port = await alice.listen();
    const invite = alice.invite(port);
    const enrolment = await enrol(invite);
    expect(enrolment).toMatchObject({
      memberId: "alice",
      trustDomain: "home.alice",
      spiffeId: "spiffe://home.alice/person/carol@office.carol",
      grants: [{ path: "/shared", rights: ["read", "write"] }],
      coordinator: { enrolmentAddresses: [`127.0.0.1:${port}`] },
    });
    const [request, ...others] = alice.received;
    expect(others).toEqual([]);
    const { id, secret } = parseInvite(invite);
    expect(request).toMatchObject({ path: "/enrol", body: { inviteId: id, secret } });
    expect(JSON.stringify(request)).not.toContain("PRIVATE");
  });

  it("sends nothing to a server whose CA is not the pinned one", async () => {
    const port = await mallory.listen();
    await expect(enrol(alice.invite(port))).rejects.toMatchObject({ code: "MESH_PIN_MISMATCH" });
    expect(mallory.received).toEqual([]);
  });

  it("sends nothing to a mere node or person of the right member", async () => {
    for (const kind of ["node", "person"] as const) {
      const name = kind === "node" ? "attic" : "carol@office.carol";
      const issue = alice.issue.bind(alice);
      alice.issue = (pem) => issue(pem, kind, name);
      const port = await alice.listen(kind);
      await expect(enrol(alice.invite(port))).rejects.toMatchObject({ code: "MESH_PIN_MISMATCH" });
    }
    expect(alice.received).toEqual([]);
  });

  it("passes over addresses that are away or belong to somebody else", async () => {
    const right = await alice.listen();
    const invite = alice.invite(await freePort(), await mallory.listen(), right);
    const { coordinator } = await enrol(invite);
    expect(coordinator.enrolmentAddresses[0]).toBe(`127.0.0.1:${right}`);
    expect(coordinator.enrolmentAddresses).toHaveLength(3);
    expect(mallory.received).toEqual([]);
  });

  it("says what is wrong when no address works", async () => {
    await expect(enrol(alice.invite(await freePort()))).rejects.toMatchObject({
      code: "MESH_UNREACHABLE",
      message: expect.stringMatching(/refused/),
    });
    const both = alice.invite(await freePort(), await mallory.listen());
    await expect(enrol(both)).rejects.toMatchObject({ code: "MESH_PIN_MISMATCH" });
    await expect(enrol(alice.invite())).rejects.toMatchObject({ code: "MESH_INVITE_INVALID" });
    await expect(enrol("hm1-alice")).rejects.toMatchObject({ code: "MESH_INVITE_INVALID" });
  });

  it("takes the member's refusal as final", async () => {
    const ports = [await alice.listen(), await alice.listen()];
    alice.onRequest = () => {
      throw new MeshError("MESH_INVITE_USED");
    };
    await expect(enrol(alice.invite(...ports))).rejects.toMatchObject({ code: "MESH_INVITE_USED" });
    expect(alice.received).toHaveLength(1);
  });

  it("keeps no certificate that is for another key or from another CA", async () => {
    const port = await alice.listen();
    const other = generateKeyPair();
    for (const issuer of [alice, mallory]) {
      const key = issuer === alice ? other : keyPair;
      const { certificatePem } = await issuer.issue(key.publicKeyPem, "person", "eve@home.eve");
      alice.onRequest = (_, answer) => ({ ...answer, certificatePem });
      await expect(enrol(alice.invite(port))).rejects.toMatchObject({
        code: expect.stringMatching(/^MESH_CERT_(INVALID|UNTRUSTED)$/),
      });
    }
  });
});
