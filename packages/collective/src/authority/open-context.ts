/** Puts the authority together, and refuses parts that do not belong together. */
import {
  type Clock,
  type Logger,
  type MemberId,
  MeshError,
  type Random,
  type TrustDomain,
} from "@hearthmesh/core";
import {
  caPinOf,
  describeMemberCa,
  type MemberCa,
  nodeIdOfPublicKey,
  publicKeyDerOf,
  signRevocationList,
  verifyRevocationList,
} from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import {
  ALLOW_LIST_PREFIX,
  API_KEY_PREFIX,
  API_KEY_USE_PREFIX,
  BUNDLE_KEY,
  COORDINATOR_PREFIX,
  GRANT_PREFIX,
  INTRODUCTION_PREFIX,
  MEMBER_KEY,
  PEER_FAREWELL_PREFIX,
  PEER_INVITE_PREFIX,
  PEER_PREFIX,
  PEER_TRUST_KEY,
  POOL_CODE_PREFIX,
  POOL_PREFIX,
  QUOTA_PREFIX,
} from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { IdentityCache } from "./identity-cache.js";
import { Ledger, put, unchanged } from "./ledger.js";
import { RecordCache } from "./record-cache.js";
import type { Versioned } from "./records.js";

const CACHED_PREFIXES = [
  API_KEY_PREFIX,
  API_KEY_USE_PREFIX,
  INTRODUCTION_PREFIX,
  ALLOW_LIST_PREFIX,
  COORDINATOR_PREFIX,
  GRANT_PREFIX,
  PEER_PREFIX,
  PEER_INVITE_PREFIX,
  PEER_FAREWELL_PREFIX,
  PEER_TRUST_KEY,
  BUNDLE_KEY,
  QUOTA_PREFIX,
  POOL_PREFIX,
  POOL_CODE_PREFIX,
] as const;

export interface OpenOptions {
  store: Store;
  ca: MemberCa;
  memberId: MemberId;
  trustDomain: TrustDomain;
  /** Whether the store lets several coordinators run; see `AuthorityOptions`. */
  severalCoordinators: boolean;
  clock: Clock;
  random: Random;
  log: Logger;
}

interface MemberRecord extends Versioned {
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  readonly caPin: string;
}

export async function openContext(options: OpenOptions): Promise<AuthorityContext> {
  const { store, ca, trustDomain, clock } = options;
  const log = options.log.child({ part: "authority" });
  checkCa(options);
  const content = { trustDomain, epoch: 0, issuedAtMs: clock.nowMs(), entries: [] };
  const emptyList = signRevocationList(content, ca.privateKeyPem);
  const cache = await IdentityCache.open({ store, clock, log, emptyList });
  const records = await RecordCache.open({ store, clock, log, prefixes: CACHED_PREFIXES });
  const ledger = new Ledger({
    store,
    clock,
    onCommitted(operations, revision) {
      cache.applyOperations(operations, revision);
      records.applyOperations(operations, revision);
    },
  });
  try {
    await claimStore(ledger, options);
    const bundle = { trustDomain, sequence: 1, caCertificatesPem: [ca.certificatePem] };
    verifyRevocationList(cache.revocationList, bundle);
  } catch (error) {
    cache.close();
    records.close();
    throw error;
  }
  return { ...options, log, cache, records, ledger };
}

function checkCa({ ca, memberId, trustDomain }: OpenOptions): void {
  const named = describeMemberCa(ca.certificatePem);
  const keyId = (pem: string) => nodeIdOfPublicKey(publicKeyDerOf(pem));
  const sameKey = keyId(ca.privateKeyPem) === keyId(ca.certificatePem);
  if (named.memberId !== memberId || named.trustDomain !== trustDomain || !sameKey) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: sameKey
        ? `the CA is that of ${named.memberId} in ${named.trustDomain}`
        : "the CA's certificate and its private key do not belong together",
      hint: "Restore the files of the CA from the backup of this member.",
    });
  }
}

/** The first authority that opens a store owns it. */
async function claimStore(ledger: Ledger, options: OpenOptions): Promise<void> {
  const { memberId, trustDomain, ca } = options;
  const own: MemberRecord = { v: 1, memberId, trustDomain, caPin: caPinOf(ca.certificatePem) };
  await ledger.change(async () => {
    const read = await ledger.read<MemberRecord>(MEMBER_KEY);
    const { record } = read;
    if (record === undefined) {
      const audit = { by: `member/${memberId}`, action: "authority.create" as const };
      return {
        result: undefined,
        change: {
          compare: [unchanged(MEMBER_KEY, read)],
          operations: [put(MEMBER_KEY, own)],
          audit: { ...audit, subject: `member/${memberId}`, detail: { caPin: own.caPin } },
        },
      };
    }
    const { caPin } = record;
    if (caPin !== own.caPin || record.memberId !== memberId || record.trustDomain !== trustDomain) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message: `the store belongs to the member ${record.memberId} with another CA`,
        hint: "Use the directory of that member, or another directory with MESH_HOME.",
      });
    }
    return { result: undefined };
  });
}
