/**
 * A member comes back on a new machine, with nothing but its recovery kit: its CA from the key in
 * the kit, its records from the newest snapshot at any friend, and a home with which `mesh up`
 * goes on. The contents come back from the copies at friends then; see docs/recovery.md.
 *
 * Nothing counts before the last file, `node.json`, is there: a restore that was broken off is
 * simply made again.
 */
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { writePrivate } from "@hearthmesh/client/private-files";
import {
  CopyKeys,
  type Coverage,
  coverageOf,
  type FoundSnapshot,
  type FriendFindings,
  importSnapshot,
  lookAtFriends,
  openSnapshot,
  planRestore,
  type SnapshotHead,
} from "@hearthmesh/collective";
import {
  type Clock,
  errorFields,
  isMeshError,
  type Logger,
  MeshError,
  type Random,
} from "@hearthmesh/core";
import {
  createMemberCa,
  keyPemOfScalar,
  type MemberCa,
  parseEndpoint,
  parseRecoveryKit,
  type RecoveryKit,
} from "@hearthmesh/identity";
import { openSqliteStore, type Store } from "@hearthmesh/store";
import type { Config } from "../config/config.js";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { raiseAbove } from "../etcd/store-raise.js";
import { type NodeRecord, nodeFiles, readNodeRecord } from "../home.js";
import { lockHome } from "../home-lock.js";
import { type FriendDoor, openFriendDoors } from "./friend-doors.js";
import { type GoneMachine, goneMachines } from "./gone-machines.js";
import { recordOf, writeHomeFiles } from "./home-files.js";
import { writeStoreKey } from "./store-key.js";

export interface RestoreMemberOptions extends ConfigSources {
  /** Either form of the kit. */
  readonly kit: string;
  /** Addresses of friends (`host:port` of the API), instead of those in the kit. */
  readonly from: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface RestoreReport {
  readonly home: string;
  readonly memberId: string;
  readonly trustDomain: string;
  readonly nodeName: string;
  readonly snapshot: FoundSnapshot;
  readonly rows: number;
  readonly friends: readonly (FriendFindings & { readonly isBehind: boolean })[];
  readonly coverage: Coverage;
  /** Machines that the records know beside this one. */
  readonly machines: readonly GoneMachine[];
}

/**
 * `MESH_KIT_INVALID`, `MESH_CONFIG_INVALID` when the home is in use, `MESH_UNREACHABLE` when no
 * friend answers, `MESH_NOT_FOUND` when none has a snapshot that opens.
 */
export async function restoreMember(options: RestoreMemberOptions): Promise<RestoreReport> {
  const kit = parseRecoveryKit(options.kit);
  const { config } = loadConfig(options);
  const lock = await lockHome(config.home);
  try {
    await requireEmpty(config.home);
    const caKeyPem = keyPemOfScalar(kit.caKey);
    const { memberId, trustDomain } = kit;
    const { clock, random } = options;
    const names = { memberId, trustDomain, privateKeyPem: caKeyPem };
    const ca = await createMemberCa({ ...names, clock, random });
    return await restoreInto(config, kit, ca, options);
  } finally {
    await lock.release();
  }
}

async function requireEmpty(home: string): Promise<void> {
  const record = await readNodeRecord(home);
  const hasStore = (await readdir(home)).includes("store");
  if (record === undefined && !hasStore) return;
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: `${home} is in use${record === undefined ? "" : ` by the node ${record.name}`}`,
    hint: "A member is restored into an empty directory: name one with --home or MESH_HOME.",
  });
}

async function restoreInto(
  config: Config,
  kit: RecoveryKit,
  ca: MemberCa,
  options: RestoreMemberOptions,
): Promise<RestoreReport> {
  const { clock, random, signal } = options;
  const friends = kit.friends;
  const addresses = options.from.map(parseEndpoint);
  const doorOptions = { friends, addresses, clock, random, signal };
  const doors = await openFriendDoors({ ca, trustDomain: kit.trustDomain }, doorOptions);
  try {
    const { places, findings } = await lookAround(kit, doors, signal);
    const plan = planRestore(findings);
    requireSomething(findings, plan.candidates);
    const done = await takeNewest(config, plan.candidates, places, options);
    const record = recordOf(done.head.home);
    requireSameMember(kit, record);
    await makeHome(config, kit, ca, record, done);
    return {
      home: config.home,
      ...{ memberId: record.memberId, trustDomain: record.trustDomain, nodeName: record.name },
      ...{ snapshot: done.snapshot, rows: done.rows, coverage: done.coverage },
      friends: findings.map((one) => ({ ...one, isBehind: plan.behind.includes(one.member) })),
      machines: done.machines.filter(({ nodeId }) => nodeId !== record.nodeId),
    };
  } finally {
    for (const door of doors.values()) if (!(door instanceof MeshError)) door.close();
  }
}

async function lookAround(
  kit: RecoveryKit,
  doors: ReadonlyMap<string, FriendDoor | MeshError>,
  signal: AbortSignal,
) {
  const places = {
    keys: new CopyKeys(kit.storeKey),
    ownDomain: kit.trustDomain as string,
    friends: {
      files: (member: string) => {
        const door = doors.get(member);
        if (door === undefined) throw new MeshError("MESH_PEER_UNKNOWN");
        if (door instanceof MeshError) throw door;
        return door.files;
      },
    },
  };
  return { places, findings: await lookAtFriends(places, [...doors.keys()], signal) };
}

function requireSomething(
  findings: readonly FriendFindings[],
  candidates: readonly FoundSnapshot[],
): void {
  if (candidates.length > 0) return;
  const reasons = findings.map(({ member, failure, damaged }) => {
    return `${member}: ${failure ?? damaged[0] ?? "it has no snapshot of this member"}`;
  });
  const isSilent = findings.every(({ failure }) => failure !== undefined);
  throw new MeshError(isSilent ? "MESH_UNREACHABLE" : "MESH_NOT_FOUND", {
    message: `no friend gave a snapshot of the records (${reasons.join("; ") || "it has none"})`,
    hint: "Name the address of a friend's API with `--from host:port`, or try again later.",
  });
}

interface Restored {
  readonly head: SnapshotHead;
  readonly snapshot: FoundSnapshot;
  readonly rows: number;
  readonly coverage: Coverage;
  readonly machines: readonly GoneMachine[];
}

type Places = Awaited<ReturnType<typeof lookAround>>["places"];

/** The newest one that is whole; into a directory beside the place of the store. */
async function takeNewest(
  config: Config,
  candidates: readonly FoundSnapshot[],
  places: Places,
  options: RestoreMemberOptions,
): Promise<Restored> {
  const { log, signal } = options;
  let failure: unknown;
  for (const snapshot of candidates) {
    try {
      return await take(config, snapshot, places, options);
    } catch (error) {
      signal.throwIfAborted();
      if (isMeshError(error, "MESH_STORE_NEWER")) throw error;
      failure = error;
      const fields = { trustDomain: snapshot.member, ...errorFields(error) };
      log.warn("a snapshot could not be used; the next one is tried", fields);
    }
  }
  throw failure;
}

async function take(
  config: Config,
  snapshot: FoundSnapshot,
  { keys, friends }: Places,
  { clock, log, signal }: RestoreMemberOptions,
): Promise<Restored> {
  const { member, name, path, sealedBytes } = snapshot;
  const { stream } = await friends.files(member).read(path, { signal });
  const open = await openSnapshot(keys, name, { bytes: sealedBytes, stream });
  const directory = restoringDirectory(config);
  await rm(directory, { recursive: true, force: true });
  const store: Store = await openSqliteStore({ directory, clock, log });
  try {
    const rows = await importSnapshot(store, open);
    await raiseAbove(store, { revision: open.head.revision });
    const coverage = await coverageOf(store, signal);
    const machines = await goneMachines(store);
    return { head: open.head, snapshot, rows, coverage, machines };
  } finally {
    await store.close();
  }
}

function requireSameMember(kit: RecoveryKit, record: NodeRecord): void {
  if (record.memberId === kit.memberId && record.trustDomain === kit.trustDomain) return;
  throw new MeshError("MESH_STORE_CORRUPT", {
    message: `the snapshot is of ${record.memberId}, and the kit of ${kit.memberId}`,
  });
}

async function makeHome(
  config: Config,
  kit: RecoveryKit,
  ca: MemberCa,
  record: NodeRecord,
  { head }: Restored,
): Promise<void> {
  const files = nodeFiles(config, record);
  const secrets = { caKeyPem: ca.privateKeyPem, caCertificatePem: ca.certificatePem };
  await writeHomeFiles(files, head.home, secrets);
  await writeStoreKey(files, kit.storeKey);
  await rename(restoringDirectory(config), files.store);
  await writePrivate(files.record, `${JSON.stringify(record, undefined, 2)}\n`);
}

function restoringDirectory({ home }: Config): string {
  return join(home, "store-restoring");
}
