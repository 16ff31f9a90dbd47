/** Headers of the methods about copies and quotas; see `copies/copy-methods.ts`. */
import type { CopiesStatus } from "./copies/copies.js";
import type { Friend } from "./copies/offer-book.js";
import type { CopyPolicy } from "./copies/policy.js";

export interface PolicyListResponse {
  policies: readonly CopyPolicy[];
  copies: CopiesStatus;
}
export interface PolicySetResponse {
  policy: CopyPolicy;
}
export interface PolicyExplainResponse {
  path: string;
  /** The policy that counts for the path. */
  policy?: CopyPolicy;
  /** Copies of each file at friends. */
  atFriends: { needed: number; wanted: number };
  friends: readonly Friend[];
}

/** `quota.list`: what was offered to peers, and what peers offer. */
export interface QuotaListResponse {
  given: readonly GivenQuota[];
  received: readonly Friend[];
}
export interface GivenQuota {
  trustDomain: string;
  bytes: number;
  offeredAtMs: number;
  withdrawnAtMs?: number;
  /** Of all its files here; absent until they are counted. */
  usedBytes?: number;
  files?: number;
}
