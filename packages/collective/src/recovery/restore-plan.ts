/** Which snapshot a lost member is restored from: the newest that any friend has. */
import type { FoundSnapshot, SnapshotPlaces } from "./friend-snapshots.js";
import { snapshotsAtFriend } from "./friend-snapshots.js";
import { compareMarks } from "./snapshot-seal.js";

/** What one friend had. */
export interface FriendFindings {
  readonly member: string;
  /** Newest first. */
  readonly snapshots: readonly FoundSnapshot[];
  /** Why slots of it do not open. */
  readonly damaged: readonly string[];
  /** Why it could not be asked. */
  readonly failure: string | undefined;
}

export interface RestorePlan {
  /** To be tried in this order. */
  readonly candidates: readonly FoundSnapshot[];
  /** Friends whose newest snapshot is older than the newest of all, which they should not be. */
  readonly behind: readonly string[];
}

/** Never rejects but for the signal. */
export async function lookAtFriends(
  places: SnapshotPlaces,
  members: readonly string[],
  signal: AbortSignal,
): Promise<FriendFindings[]> {
  return Promise.all(
    members.map(async (member): Promise<FriendFindings> => {
      try {
        const { found, damaged } = await snapshotsAtFriend(places, member, signal);
        return { member, snapshots: found, damaged, failure: undefined };
      } catch (error) {
        signal.throwIfAborted();
        return { member, snapshots: [], damaged: [], failure: (error as Error).message };
      }
    }),
  );
}

export function planRestore(findings: readonly FriendFindings[]): RestorePlan {
  const candidates = findings
    .flatMap(({ snapshots }) => snapshots)
    .sort((a, b) => compareMarks(b, a));
  const [newest] = candidates;
  const behind = findings.filter(({ failure, snapshots: [own] }) => {
    if (failure !== undefined || newest === undefined) return false;
    return own === undefined || compareMarks(own, newest) < 0;
  });
  return { candidates, behind: behind.map(({ member }) => member) };
}
