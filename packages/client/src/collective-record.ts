/** What is remembered about a collective that was joined. */
import type { MemberId, TrustDomain } from "@hearthmesh/core";
import type { Grant } from "@hearthmesh/identity";
import type { CoordinatorContact } from "./coordinator-finder.js";
import type { Enrolment } from "./enrol.js";

export interface CollectiveRecord {
  readonly v: 1;
  /** Folder name; the member's name, with a number when two members share one. */
  readonly name: string;
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  /** Of the member's CA: tells members of the same name apart. */
  readonly caPin: string;
  /** This identity's id there. */
  readonly spiffeId: string;
  /** As they were given when the invite was redeemed; `whoami` tells the present ones. */
  readonly grants: readonly Grant[];
  readonly coordinator: Enrolment["coordinator"];
  readonly joinedAtMs: number;
  readonly certificateNotAfterMs: number;
}

export function recordOf(
  name: string,
  caPin: string,
  enrolment: Enrolment,
  nowMs: number,
): CollectiveRecord {
  const { memberId, trustDomain, spiffeId, grants, coordinator, certificateNotAfterMs } = enrolment;
  return {
    v: 1,
    name,
    memberId,
    trustDomain,
    caPin,
    spiffeId,
    grants,
    coordinator,
    joinedAtMs: nowMs,
    certificateNotAfterMs,
  };
}

/** The coordinator of the invite, which is known from the first moment. */
export function firstCoordinator(record: CollectiveRecord): CoordinatorContact {
  return { name: `coordinator of ${record.name}`, ...record.coordinator };
}

/**
 * Names that a person may use for it: its own, its domain, and `<member>-homelab` as in the guide.
 */
export function collectiveNames(record: CollectiveRecord): string[] {
  return [record.name, record.trustDomain, `${record.name}-homelab`];
}
