/** How the state of the snapshots at friends is said to people. */
import { formatBytes } from "@hearthmesh/core";
import type { BackupResponse } from "@hearthmesh/gateway/contracts";
import { plural, printable } from "../text.js";

const PATHS_SHOWN_MAX = 20;

export function describeFriends({ friends }: BackupResponse): string[] {
  if (friends.length === 0) {
    return [
      "No other member is a peer, so no snapshot of the records is anywhere else.",
      "mesh peer invite makes a code for a friend; a friend gives room with mesh quota offer.",
    ];
  }
  return friends.map(({ alias, trustDomain, snapshot, failure }) => {
    const name = printable(`${alias} (${trustDomain})`);
    const why = failure === null ? "" : `; ${printable(failure)}`;
    if (snapshot === null) return `${name}: no snapshot${why}`;
    const { sequence, writtenAt, sealedBytes } = snapshot;
    return `${name}: snapshot ${sequence} of ${writtenAt}, ${formatBytes(sealedBytes)}${why}`;
  });
}

export function describeLostFound({ lostFound }: BackupResponse): string[] {
  if (lostFound === null) return [];
  const { since, files, incomplete } = lostFound;
  const parts = incomplete === 0 ? "" : `, and parts of ${incomplete} more`;
  return [
    `The records went back in time, as of ${since}: what they did not know is kept.`,
    `${plural(files, "file")} came to /lost+found${parts}.`,
  ];
}

export function describeCoverage({ coverage }: BackupResponse): string[] {
  if (coverage === null) return [];
  const { all, inRecords, atFriends, uncovered } = coverage;
  const safe = inRecords.files + atFriends.files;
  const lines = [
    `${safe} of ${plural(all.files, "file")} would come back without this home: ` +
      `${inRecords.files} small ones with the records, ${atFriends.files} from copies at friends.`,
  ];
  if (uncovered.files === 0) return lines;
  return [
    ...lines,
    `${plural(uncovered.files, "file")} (${formatBytes(uncovered.bytes)}) would be lost:`,
    ...uncoveredLines(coverage, PATHS_SHOWN_MAX),
  ];
}

/** A line for each path without a copy, and one for the rest. */
export function uncoveredLines(
  {
    uncovered,
    uncoveredPaths,
  }: {
    readonly uncovered: { readonly files: number };
    readonly uncoveredPaths: readonly string[];
  },
  shownMax: number,
): string[] {
  const shown = uncoveredPaths.slice(0, shownMax).map((path) => `  ${printable(path)}`);
  const more = uncovered.files - shown.length;
  return more > 0 ? [...shown, `  and ${more} more`] : shown;
}
