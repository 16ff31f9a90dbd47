/** Policies, and what files wait for, in words. */
import { formatBytes } from "@hearthmesh/core";
import type { CopiesView, CopyPolicyView, FriendView } from "@hearthmesh/gateway/contracts";
import { plural, printable } from "../text.js";

const REASONS_SHOWN_MAX = 5;

export function policyWords({ path, strategy, replicas, members }: CopyPolicyView): string {
  const copies = plural(replicas, "copy", "copies");
  const homes = plural(members, "home");
  return `${printable(path)}: ${strategy}, ${copies} in all, in at least ${homes}`;
}

/** A line for the files that wait, and one for each reason. */
export function copiesWords(copies: CopiesView | null): string[] {
  if (copies === null || copies.waiting === null) {
    return ["It is not known yet how many files wait for copies at friends."];
  }
  const { waiting, kept, lostChunks, reasons } = copies;
  const have = kept === null ? "" : ` ${plural(kept, "copy", "copies")} are at friends.`;
  const lost =
    lostChunks === 0 ? [] : [`${plural(lostChunks, "chunk")} are to be fetched from friends.`];
  return [
    `For copies at friends ${filesWait(waiting)}.${have}`,
    ...lost,
    ...reasons
      .slice(0, REASONS_SHOWN_MAX)
      .map(({ reason, files }) => `  ${plural(files, "file")}: ${printable(reason)}`),
  ];
}

export function filesWait(count: number): string {
  if (count === 0) return "no file waits";
  return count === 1 ? "1 file waits" : `${count} files wait`;
}

/** What a friend offers, in a few words. */
export function offerWords({ offer, failure }: FriendView): string {
  if (offer === null) {
    return failure === null ? "not known yet" : `not known (${printable(failure)})`;
  }
  const used = `${formatBytes(offer.usedBytes)} of ${formatBytes(offer.bytes)}`;
  if (offer.withdrawn) return `withdrawn; ${used} used`;
  if (offer.bytes === 0) return "nothing";
  return failure === null ? used : `${used}; ${printable(failure)}`;
}
