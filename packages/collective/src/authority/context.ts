/** What the parts of the authority share. */

import type { TrustDomain } from "@hearthmesh/core";
import { type Clock, type Logger, limits, type MemberId, type Random } from "@hearthmesh/core";
import {
  type IssuedCertificate,
  issueCertificate,
  type MemberCa,
  type PrincipalKind,
} from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import type { IdentityCache } from "./identity-cache.js";
import type { Ledger } from "./ledger.js";
import type { RecordCache } from "./record-cache.js";

export interface AuthorityContext {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly cache: IdentityCache;
  /** API keys, introductions, allow-lists, grants and more. */
  readonly records: RecordCache;
  readonly ca: MemberCa;
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  readonly severalCoordinators: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface CertificateSubject {
  readonly kind: PrincipalKind;
  readonly name: string;
  /** SPKI, DER. */
  readonly publicKeyDer: Uint8Array;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** A certificate as long as its kind may have: a day for machines, a week for people. */
export function issueFor(
  context: AuthorityContext,
  subject: CertificateSubject,
): Promise<IssuedCertificate> {
  const { ca, trustDomain, clock, random } = context;
  const validityMs =
    subject.kind === "person"
      ? limits.PERSON_CERTIFICATE_VALIDITY_MS_MAX
      : limits.NODE_CERTIFICATE_VALIDITY_MS;
  return issueCertificate({ ca, trustDomain, clock, random, validityMs, ...subject });
}
