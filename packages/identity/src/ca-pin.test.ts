import { describe, expect, it } from "vitest";
import { caPinOf, checkPinnedChain } from "./ca-pin.js";
import { decodePem } from "./pem.js";
import { HOUR_MS, memberFixture, NOW_MS } from "./testing/member-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("checkPinnedChain", () => {
  it("gives the CA when the pinned one issued the coordinator's certificate", async () => {
    const { ca, issue } = await memberFixture();
    const { der } = await issue({ kind: "coordinator", name: "hub" });
    const caDer = decodePem("CERTIFICATE", ca.certificatePem);
    const caPin = caPinOf(ca.certificatePem);
    expect(caPin).toMatch(/^[a-z2-7]{26}$/);
    const pinned = checkPinnedChain([der, caDer], { caPin, memberId: "alice", nowMs: NOW_MS });
    expect(pinned).toMatchObject({
      caCertificatePem: ca.certificatePem,
      memberId: "alice",
      trustDomain: "home.alice",
      server: { kind: "coordinator", name: "hub" },
    });
  });

  it("refuses everybody in between", async () => {
    const alice = await memberFixture();
    const mallory = await memberFixture("alice");
    const caPin = caPinOf(alice.ca.certificatePem);
    const check =
      (chain: Uint8Array[], memberId?: string, nowMs = NOW_MS) =>
      () =>
        checkPinnedChain(chain, { caPin, nowMs, ...(memberId === undefined ? {} : { memberId }) });
    const aliceCa = decodePem("CERTIFICATE", alice.ca.certificatePem);
    const malloryCa = decodePem("CERTIFICATE", mallory.ca.certificatePem);
    const forged = await mallory.issue({ kind: "coordinator", name: "hub" });
    const mismatch = code("MESH_PIN_MISMATCH");
    expect(check([])).toThrow(mismatch);
    expect(check([forged.der, malloryCa])).toThrow(mismatch);
    // Alice's CA certificate is public: to show it proves nothing.
    expect(check([forged.der, aliceCa])).toThrow(mismatch);
    expect(check([forged.der, malloryCa, aliceCa])).toThrow(mismatch);
    expect(check([aliceCa])).toThrow(mismatch);
    expect(check([Buffer.from("junk"), aliceCa])).toThrow(mismatch);
    const node = await alice.issue({ kind: "node", name: "hub" });
    expect(check([node.der, aliceCa])).toThrow(mismatch);
    const hub = await alice.issue({ kind: "coordinator", name: "hub" });
    expect(check([hub.der])).toThrow(mismatch);
    expect(check([hub.der, aliceCa], "bob")).toThrow(code("MESH_INVITE_WRONG_MEMBER"));
    expect(check([hub.der, aliceCa], "alice", NOW_MS + 2 * HOUR_MS)).toThrow(
      code("MESH_CERT_EXPIRED"),
    );
  });
});
