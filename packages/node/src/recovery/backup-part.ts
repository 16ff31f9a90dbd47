/** The snapshots at friends, as the node runs and shows them. */
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Authority,
  Backup,
  type CopyKeys,
  coverageOf,
  type FriendsPort,
  readHold,
} from "@hearthmesh/collective";
import type { BackupService } from "@hearthmesh/gateway";
import type { BackupFriend, BackupResponse } from "@hearthmesh/gateway/contracts";
import { caPinOf } from "@hearthmesh/identity";
import type { Store } from "@hearthmesh/store";
import type { Config } from "../config/config.js";
import type { NodeFiles, NodeRecord } from "../home.js";
import type { Tools } from "../tools.js";
import { readHomeFiles } from "./home-files.js";

/** A packed snapshot is read back in pieces of this size. */
const RUN_PIECES_BYTES = 256 * 1024;

export interface BackupPartOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly files: NodeFiles;
  readonly store: Store;
  readonly authority: Authority;
  readonly keys: CopyKeys;
  readonly friends: FriendsPort;
}

export function makeBackup(options: BackupPartOptions): Backup {
  const { config, record, files, store, keys, friends, clock, random, log } = options;
  return new Backup({
    ...{ store, keys, friends, clock, random, log },
    memberId: record.memberId,
    ownDomain: record.trustDomain,
    owner: `spiffe://${record.trustDomain}/node/${record.name}`,
    home: () => readHomeFiles(files, record),
    spool: spoolIn(join(config.home, "backup")),
    intervalMs: config.backupIntervalMs,
  });
}

/** A packed snapshot has to be read once for each friend, and may not fit the memory. */
function spoolIn(directory: string) {
  return async (source: AsyncIterable<Uint8Array>) => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, "snapshot");
    const temporary = `${path}.new`;
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", 0o600);
    try {
      for await (const piece of source) await file.writeFile(piece);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return () => createReadStream(path, { highWaterMark: RUN_PIECES_BYTES });
  };
}

export interface BackupServiceOptions
  extends Pick<BackupPartOptions, "store" | "authority" | "config"> {
  readonly backup: Backup;
  /** Throws on a coordinator that does not lead: only one writes snapshots. */
  requireLeading(): void;
}

export function backupService(options: BackupServiceOptions): BackupService {
  const status: BackupService["status"] = async ({ coverage, signal }) => ({
    friends: await friendViews(options),
    intervalMs: options.config.backupIntervalMs,
    lostFound: await lostFoundView(options.store),
    coverage: coverage ? await coverageView(options.store, signal) : null,
  });
  return {
    status,
    run: async (signal): Promise<BackupResponse> => {
      options.requireLeading();
      await options.backup.runNow(signal);
      return status({ coverage: true, signal });
    },
  };
}

async function coverageView(store: Store, signal: AbortSignal) {
  const coverage = await coverageOf(store, signal);
  return { ...coverage, uncoveredPaths: [...coverage.uncoveredPaths] };
}

async function lostFoundView(store: Store): Promise<BackupResponse["lostFound"]> {
  const hold = await readHold(store);
  if (hold === undefined) return null;
  const { atMs, files, incomplete } = hold;
  return { since: new Date(atMs).toISOString(), files, incomplete };
}

async function friendViews({ backup, authority }: BackupServiceOptions): Promise<BackupFriend[]> {
  const known = await backup.status();
  return known.flatMap(({ member, newest, failure }): BackupFriend[] => {
    const peer = authority.peers.list().find(({ trustDomain }) => trustDomain === member);
    const [caCertificatePem] = peer?.caCertificatesPem ?? [];
    if (peer === undefined || caCertificatePem === undefined) return [];
    return [
      {
        trustDomain: member,
        alias: peer.alias,
        memberId: peer.memberId,
        caPin: caPinOf(caCertificatePem),
        apiAddresses: [...new Set(peer.coordinators.flatMap((one) => one.apiAddresses))],
        snapshot: newest === undefined ? null : snapshotView(newest),
        failure: failure ?? null,
      },
    ];
  });
}

function snapshotView(newest: {
  epoch: number;
  sequence: number;
  writtenAtMs: number;
  sealedBytes: number;
}) {
  const { epoch, sequence, writtenAtMs, sealedBytes } = newest;
  return { epoch, sequence, writtenAt: new Date(writtenAtMs).toISOString(), sealedBytes };
}
