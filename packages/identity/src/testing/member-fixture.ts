/** A member with its CA, and certificates made by hand that no honest CA would make. */
import { type Clock, systemRandom, type TrustDomain } from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf } from "../keys.js";
import { createMemberCa, issueCertificate, type MemberCa } from "../member-ca.js";
import { decodePem } from "../pem.js";
import type { PrincipalKind, TrustBundle } from "../types.js";
import * as x509 from "../x509.js";

export const NOW_MS = Date.UTC(2026, 10, 21);
export const HOUR_MS = 3_600_000;

export function fixedClock(nowMs = NOW_MS): Clock {
  return {
    nowMs: () => nowMs,
    monotonicMs: () => 0,
    setTimeout: () => ({ cancel: () => undefined }),
  };
}

interface MemberFixture {
  ca: MemberCa;
  bundle: TrustBundle;
  issue(more?: {
    kind?: PrincipalKind;
    name?: string;
    validityMs?: number;
    nowMs?: number;
  }): Promise<Issued>;
}

interface Issued {
  der: Uint8Array;
  certificatePem: string;
  privateKeyPem: string;
  serial: string;
  notAfterMs: number;
}

export async function memberFixture(
  memberId = "alice",
  trustDomain = `home.${memberId}` as TrustDomain,
): Promise<MemberFixture> {
  const random = systemRandom();
  const ca = await createMemberCa({ memberId, trustDomain, clock: fixedClock(), random });
  return {
    ca,
    bundle: { trustDomain, sequence: 1, caCertificatesPem: [ca.certificatePem] },
    async issue({ kind = "node", name = "one", validityMs = HOUR_MS, nowMs = NOW_MS } = {}) {
      const keys = generateKeyPair();
      const issued = await issueCertificate({
        ca,
        publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
        kind,
        trustDomain,
        name,
        validityMs,
        clock: fixedClock(nowMs),
        random,
        dnsNames: ["localhost"],
      });
      const { privateKeyPem } = keys;
      return { ...issued, privateKeyPem, der: decodePem("CERTIFICATE", issued.certificatePem) };
    },
  };
}

export interface ForgedOptions {
  /** URI names. */
  uris?: readonly string[];
  isCa?: boolean;
  /** Bits of `x509.KeyUsageFlags`. */
  keyUsage?: number;
  usages?: string[];
  /** SPKI, DER. */
  publicKeyDer?: Uint8Array;
  extra?: x509.Extension[];
  issuerName?: string;
  notBeforeMs?: number;
  notAfterMs?: number;
}

/** A certificate with whatever is asked, signed with the CA's real key. */
export async function forge(ca: MemberCa, options: ForgedOptions): Promise<Uint8Array> {
  const { keyUsage = x509.KeyUsageFlags.digitalSignature, extra = [] } = options;
  const keys = generateKeyPair();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: "1234",
    subject: [{ CN: ["forged"] }],
    issuer: [{ CN: [options.issuerName ?? "alice"] }],
    notBefore: new Date(options.notBeforeMs ?? NOW_MS - HOUR_MS),
    notAfter: new Date(options.notAfterMs ?? NOW_MS + HOUR_MS),
    publicKey: Buffer.from(options.publicKeyDer ?? publicKeyDerOf(keys.publicKeyPem)),
    signingKey: await x509.importSigningKey(ca.privateKeyPem),
    signingAlgorithm: x509.SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(options.isCa ?? false, undefined, true),
      new x509.KeyUsagesExtension(keyUsage, true),
      new x509.ExtendedKeyUsageExtension(
        options.usages ?? [x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth],
      ),
      new x509.SubjectAlternativeNameExtension(
        (options.uris ?? ["spiffe://home.alice/node/forged"]).map((value) => ({
          type: "url" as const,
          value,
        })),
      ),
      ...extra,
    ],
  });
  return new Uint8Array(certificate.rawData);
}
