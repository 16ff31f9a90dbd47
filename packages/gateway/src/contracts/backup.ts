/** Snapshots of the records at friends, and what would be lost with this home. For operators. */
import { z } from "zod";
import { Flag, Timestamp } from "./common.js";
import type { Endpoint } from "./endpoint.js";

const Count = z.lazy(() => z.object({ files: z.number().int(), bytes: z.number().int() }));

export const BackupFriend = z
  .lazy(() =>
    z.object({
      trustDomain: z.string(),
      alias: z.string().describe("As it is called here, such as bob"),
      memberId: z.string(),
      caPin: z.string().describe("Of its CA, for the recovery kit"),
      apiAddresses: z.array(z.string()).describe("host:port of its coordinators, best first"),
      snapshot: z
        .object({
          epoch: z.number().int(),
          sequence: z.number().int(),
          writtenAt: Timestamp,
          sealedBytes: z.number().int(),
        })
        .nullable()
        .describe("The newest one there"),
      failure: z.string().nullable().describe("Why it has no newer one"),
    }),
  )
  .meta({ id: "BackupFriend" });
export type BackupFriend = z.infer<typeof BackupFriend>;

export const BackupCoverage = z
  .lazy(() =>
    z.object({
      all: Count,
      inRecords: Count.describe("Small files, which are in every snapshot"),
      atFriends: Count.describe("With at least one sealed copy at a friend"),
      uncovered: Count.describe("Would be lost with this home"),
      uncoveredPaths: z.array(z.string()).describe("The first of them"),
    }),
  )
  .meta({ id: "BackupCoverage" });
export type BackupCoverage = z.infer<typeof BackupCoverage>;

export const BackupResponse = z
  .lazy(() =>
    z.object({
      friends: z.array(BackupFriend),
      intervalMs: z.number(),
      lostFound: z
        .object({
          since: Timestamp,
          files: z.number().int().describe("Whole files under /lost+found"),
          incomplete: z.number().int().describe("Files of which a part is missing"),
        })
        .nullable()
        .describe("When the records were last found to be older than the chunks; null: never"),
      coverage: BackupCoverage.nullable().describe("null unless it was asked for"),
    }),
  )
  .meta({ id: "Backup" });
export type BackupResponse = z.infer<typeof BackupResponse>;

export const BACKUP_ENDPOINTS = {
  backup: {
    method: "GET",
    path: "/api/backup",
    tag: "mesh",
    summary: "Which friend has which snapshot of the records, and what would be lost now",
    query: z.object({
      coverage: Flag.default(false).describe("Count the files; reads every entry"),
    }),
    response: BackupResponse,
  },
  runBackup: {
    method: "POST",
    path: "/api/backup",
    tag: "mesh",
    summary: "Writes a snapshot of the records to every friend that gives room, now",
    response: BackupResponse,
  },
} as const satisfies Record<string, Endpoint>;
