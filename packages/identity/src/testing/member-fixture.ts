/** A member with its CA, and certificates made by hand that no honest CA would make. */
import { type Clock, systemRandom, type TrustDomain } from "@hearthmesh/core";
import {
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectNames,
} from "../certificate-extensions.js";
import { CERTIFICATE_OIDS as OID } from "../certificate-oids.js";
import { nameDer, writeCertificate } from "../certificate-write.js";
import { generateKeyPair, publicKeyDerOf } from "../keys.js";
import { createMemberCa, issueCertificate, type MemberCa } from "../member-ca.js";
import { decodePem } from "../pem.js";
import type { PrincipalKind, TrustBundle } from "../types.js";

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
  /** Extension in the place of the usual one. */
  keyUsage?: Uint8Array;
  usages?: readonly string[];
  publicKeyDer?: Uint8Array;
  extra?: readonly Uint8Array[];
  issuerName?: string;
  notBeforeMs?: number;
  notAfterMs?: number;
}

/** A certificate with whatever is asked, signed with the CA's real key. */
export function forge(ca: MemberCa, options: ForgedOptions): Uint8Array {
  const { issuerName = "alice", extra = [], uris = ["spiffe://home.alice/node/forged"] } = options;
  return writeCertificate(
    {
      serial: Uint8Array.from([0x12, 0x34]),
      subjectDer: nameDer("forged"),
      issuerDer: nameDer(issuerName),
      notBeforeMs: options.notBeforeMs ?? NOW_MS - HOUR_MS,
      notAfterMs: options.notAfterMs ?? NOW_MS + HOUR_MS,
      publicKeyDer: options.publicKeyDer ?? publicKeyDerOf(generateKeyPair().publicKeyPem),
      extensions: [
        basicConstraints(options.isCa ?? false),
        options.keyUsage ?? keyUsage(false),
        extendedKeyUsage(options.usages ?? [OID.clientAuth, OID.serverAuth]),
        subjectNames({ uris }),
        ...extra,
      ],
    },
    ca.privateKeyPem,
  );
}
