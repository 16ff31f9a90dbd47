/** Another member beside that of the fixture, and how the two become peers. */
import { createHash } from "node:crypto";
import { type Random, silentLogger, systemRandom, type TrustDomain } from "@hearthmesh/core";
import {
  createMemberCa,
  decodePem,
  generateKeyPair,
  issueCertificate,
  type MemberCa,
  type Principal,
  type PrincipalKind,
  parsePeering,
  peeringMessage,
  publicKeyDerOf,
  type SignedTrustBundle,
  signerOf,
  signTrustBundle,
} from "@hearthmesh/identity";
import { memoryStore } from "@hearthmesh/store";
import { Authority } from "../authority.js";
import { type AuthorityFixture, DAY_MS } from "./authority-fixture.js";

export const endpoints = [{ host: "alice.example", port: 9001 }];
const random = systemRandom();

export interface Other {
  readonly authority: Authority;
  readonly ca: MemberCa;
  readonly operator: Principal;
  issue(kind: PrincipalKind, name: string): Promise<Uint8Array>;
}

/** Two of these make the same keys. */
export function sameKeys(): Random {
  let count = 0;
  const bytes = (length: number) => {
    const digests = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
      createHash("sha256").update(`${count} ${i}`).digest(),
    );
    count++;
    return new Uint8Array(Buffer.concat(digests).subarray(0, length));
  };
  return { bytes, float: () => 0.5 };
}

/** Another member, on the clock of the first. */
export async function member(
  { clock }: AuthorityFixture,
  memberId = "bob",
  trustDomain = "garage.bob",
  keys: Random = random,
): Promise<Other> {
  const ca = await createMemberCa({ memberId, trustDomain, clock, random: keys });
  const store = memoryStore({ clock });
  const common = { clock, random, log: silentLogger };
  const authority = await Authority.open({ store, ca, memberId, trustDomain, ...common });
  return {
    authority,
    ca,
    // What nobody outside looks at: the doors decide who the operator is.
    operator: { kind: "coordinator", spiffeId: `spiffe://${trustDomain}/x` } as Principal,
    async issue(kind, name) {
      const { publicKeyPem } = generateKeyPair();
      const { certificatePem } = await issueCertificate({
        ca,
        kind,
        name,
        trustDomain: trustDomain as TrustDomain,
        publicKeyDer: publicKeyDerOf(publicKeyPem),
        validityMs: DAY_MS,
        clock,
        random,
      });
      return decodePem("CERTIFICATE", certificatePem);
    },
  };
}

export async function invite({ authority, operator }: AuthorityFixture, alias?: string) {
  const as = alias === undefined ? {} : { alias };
  const request = { validityMs: DAY_MS, endpoints, ...as };
  const made = await authority.peers.createInvite({ principal: operator }, request);
  return parsePeering(made.text);
}

export async function befriend(alice: AuthorityFixture, bob: Other) {
  const peeringCode = await invite(alice);
  await alice.authority.peers.redeem(
    await bob.authority.peers.redemptionOf(peeringCode, undefined),
  );
  const bundle = await alice.authority.peers.ownBundle();
  const answer = { bundle, alias: undefined };
  await bob.authority.peers.accept({ principal: bob.operator }, peeringCode, answer);
}

/** A bundle of a member as its CA could sign it. */
export async function bundleOf(other: Other, more: Partial<SignedTrustBundle>) {
  const { ca, authority } = other;
  const content = { ...(await authority.peers.ownBundle()), ...more };
  return signTrustBundle(content, ca.privateKeyPem);
}

/** A redemption of somebody who does not follow the rules. */
export function forgeRedemption(
  peeringCode: ReturnType<typeof parsePeering>,
  bundle: object,
  ca: MemberCa,
) {
  const { id: inviteId, secret, caPin } = peeringCode;
  const byCaPin = "a".repeat(26);
  const message = peeringMessage({ inviteId, caPin, byCaPin });
  const proof = Buffer.from(signerOf(ca.privateKeyPem)(message)).toString("base64");
  return { inviteId, secret, bundle, proof };
}
