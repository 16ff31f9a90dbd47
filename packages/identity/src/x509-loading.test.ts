import { systemClock, systemRandom } from "@hearthmesh/core";
import { expect, it } from "vitest";
import { createMemberCa, generateKeyPair, parseCertificate, signerOf } from "./index.js";

/** The polyfill that the library needs leaves this trace in the process. */
const isLibraryLoaded = () => "defineMetadata" in Reflect;

it("loads the X.509 library with the first certificate that is written, not before", async () => {
  const options = { trustDomain: "home.alice", clock: systemClock(), random: systemRandom() };
  signerOf(generateKeyPair().privateKeyPem);
  expect(() => parseCertificate(new Uint8Array(9))).toThrow();
  await expect(createMemberCa({ memberId: "not a name", ...options })).rejects.toThrow();
  expect(isLibraryLoaded()).toBe(false);
  await createMemberCa({ memberId: "alice", ...options });
  expect(isLibraryLoaded()).toBe(true);
});
