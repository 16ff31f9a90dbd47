/**
 * What a look at the sizes of the members asks for. Pure. One node does it for all, the leader's:
 * so no two members are defragmented at a time, and the leader comes last.
 */
import {
  DEFRAGMENT_FREE_BYTES_MIN,
  DEFRAGMENT_FREE_PART_MIN,
  QUOTA_WARNING_PART,
} from "./limits.js";

export interface MemberSize {
  endpoint: string;
  memberId: string;
  isLeader: boolean;
  sizeBytes: number;
  inUseBytes: number;
}

export interface SpaceLook {
  members: readonly MemberSize[];
  quotaBytes: number;
  /** A member has run into its quota, and the cluster takes deletions only. */
  isFull: boolean;
}

export interface SpacePlan {
  /** Cut the history down before, because space is short. */
  compact: boolean;
  /** Endpoints, one after the other. */
  defragment: readonly string[];
  /** After all that, lift the alarm when every member is below this size. */
  disarmBelowBytes: number | undefined;
}

export function planSpace({ members, quotaBytes, isFull }: SpaceLook): SpacePlan {
  const warnBytes = quotaBytes * QUOTA_WARNING_PART;
  const isShort = isFull || members.some(({ sizeBytes }) => sizeBytes >= warnBytes);
  // How much a compaction has freed is not in the numbers at once: a full store does not wait.
  const wasteful = members.filter((member) => isFull || isWasteful(member, isShort));
  const ordered = [...wasteful].sort((a, b) => Number(a.isLeader) - Number(b.isLeader));
  return {
    compact: isShort,
    defragment: ordered.map(({ endpoint }) => endpoint),
    disarmBelowBytes: isFull ? warnBytes : undefined,
  };
}

function isWasteful({ sizeBytes, inUseBytes }: MemberSize, isShort: boolean): boolean {
  const freeBytes = sizeBytes - inUseBytes;
  if (isShort) return freeBytes > sizeBytes * (1 - QUOTA_WARNING_PART);
  return (
    freeBytes >= DEFRAGMENT_FREE_BYTES_MIN && freeBytes >= sizeBytes * DEFRAGMENT_FREE_PART_MIN
  );
}
