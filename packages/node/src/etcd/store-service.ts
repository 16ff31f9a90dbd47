/** What the HTTP doors and the commands tell about this member's store, on any engine. */
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { MeshError } from "@hearthmesh/core";
import type { StoreService } from "@hearthmesh/gateway";
import type { StoreMember, StoreStatusResponse } from "@hearthmesh/gateway/contracts";
import type { EtcdAdmin, SqliteStore, Store } from "@hearthmesh/store";
import { ClusterObserver, type Observation } from "./cluster-observer.js";
import type { EtcdSupervisor } from "./etcd-supervisor.js";
import { listSnapshots, readPieces, snapshotTimeMs, withHash } from "./snapshot-file.js";
import { snapshotPieces } from "./snapshot-pieces.js";
import type { StoreFiles } from "./store-files.js";
import { memberViews, type StoreMemberView } from "./supervisor-status.js";

/** Where the records are. */
export type StoreSource =
  | { mode: "embedded"; store: SqliteStore }
  | { mode: "supervised"; store: Store; supervisor: EtcdSupervisor }
  /** An etcd that others run. */
  | { mode: "external"; store: Store; admin: EtcdAdmin; endpoints: readonly string[] };

export interface StoreServiceOptions {
  source: StoreSource;
  files: Pick<StoreFiles, "snapshots">;
  nodeName: string;
  /** The coordinator that leads, as far as this one knows. */
  leader: () => { nodeId: string; name: string; epoch: number } | undefined;
}

interface Health {
  state: StoreStatusResponse["state"];
  message: string;
  version: string | undefined;
  quotaBytes: number | undefined;
  members: readonly StoreMemberView[];
}

export function storeService(options: StoreServiceOptions): StoreService {
  return {
    status: () => statusOf(options),
    members: async () => ({ members: await membersOf(options) }),
    snapshot: (signal) => snapshotOf(options, signal),
  };
}

async function statusOf(options: StoreServiceOptions): Promise<StoreStatusResponse> {
  const { source, files, leader } = options;
  // Without a majority it does not answer; what the members say themselves is told all the same.
  const known = await source.store.status().catch(() => undefined);
  const { state, message, version, quotaBytes, members } = await healthOf(options, known?.revision);
  const newest = (await listSnapshots(files.snapshots)).at(-1);
  const own = members.find(({ isLeader }) => isLeader) ?? members[0];
  return {
    engine: source.mode === "embedded" ? "sqlite" : "etcd",
    mode: source.mode,
    state,
    message,
    version: version ?? null,
    revision: known?.revision ?? null,
    keys: known?.keys ?? null,
    sizeBytes: own?.sizeBytes ?? known?.sizeBytes ?? null,
    sizeInUseBytes: own?.sizeInUseBytes ?? null,
    quotaBytes: quotaBytes ?? null,
    members: members.length,
    voters: members.filter(({ role }) => role === "voter").length,
    healthy: members.filter(({ health }) => health === "ok").length,
    leader: leader() ?? null,
    lastSnapshot: newest === undefined ? null : new Date(snapshotTimeMs(newest)).toISOString(),
  };
}

async function healthOf(
  { source, nodeName }: StoreServiceOptions,
  revision: number | undefined,
): Promise<Health> {
  if (source.mode === "embedded") {
    return {
      state: revision === undefined ? "failing" : "ok",
      message: "the store is embedded in this node; it allows one coordinator",
      version: undefined,
      quotaBytes: undefined,
      members: [embeddedMember(nodeName, (await source.store.status()).sizeBytes)],
    };
  }
  if (source.mode === "supervised") {
    const { message, isTrouble, version, quotaBytes, members } = source.supervisor.status();
    const isWhole = members.every(({ health, errors }) => health === "ok" && errors.length === 0);
    const isFailing = isTrouble || revision === undefined;
    const state = isFailing ? "failing" : isWhole ? "ok" : "degraded";
    return { state, message, version, quotaBytes, members };
  }
  const members = memberViews(await observe(source));
  const isWhole = members.length > 0 && members.every(({ health }) => health === "ok");
  return {
    state: revision === undefined ? "failing" : isWhole ? "ok" : "degraded",
    message: "the records are kept in an etcd cluster that others run",
    version: members.find(({ isLeader }) => isLeader)?.version,
    quotaBytes: undefined,
    members,
  };
}

async function membersOf({ source, nodeName }: StoreServiceOptions): Promise<StoreMember[]> {
  if (source.mode === "embedded") {
    const { sizeBytes } = await source.store.status();
    return [{ ...memberOf(embeddedMember(nodeName, sizeBytes)), role: "only" }];
  }
  const views =
    source.mode === "supervised"
      ? source.supervisor.status().members
      : memberViews(await observe(source));
  return views.map(memberOf);
}

function observe(source: StoreSource & { mode: "external" }): Promise<Observation> {
  const { admin, endpoints } = source;
  return new ClusterObserver(admin).look(endpoints);
}

function embeddedMember(name: string, sizeBytes: number): StoreMemberView {
  return {
    id: "",
    name,
    nodeId: undefined,
    role: "voter",
    isLeader: true,
    health: "ok",
    version: undefined,
    sizeBytes,
    sizeInUseBytes: undefined,
    clientUrls: [],
    errors: [],
  };
}

function memberOf(view: StoreMemberView): StoreMember {
  const { id, name, role, isLeader, health, version, sizeBytes, sizeInUseBytes } = view;
  return {
    id,
    name,
    role,
    isLeader,
    health,
    version: version ?? null,
    sizeBytes: sizeBytes ?? null,
    sizeInUseBytes: sizeInUseBytes ?? null,
    addresses: [...view.clientUrls],
    errors: [...view.errors],
  };
}

async function snapshotOf(
  { source, files }: StoreServiceOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  signal.throwIfAborted();
  if (source.mode === "embedded") return embeddedSnapshot(source.store, files.snapshots);
  if (source.mode === "supervised") return source.supervisor.snapshotPieces();
  const { statuses } = await observe(source);
  const [first] = statuses.filter(({ isLearner }) => !isLearner);
  if (first === undefined) throw new MeshError("MESH_STORE_UNAVAILABLE");
  return snapshotPieces(source.admin, first.endpoint);
}

/** A copy that goes when it was read, or when the reader goes away. */
async function embeddedSnapshot(
  store: SqliteStore,
  directory: string,
): Promise<AsyncIterable<Uint8Array>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(directory, "copy-"));
  const discard = () => rm(folder, { recursive: true, force: true });
  try {
    await store.copyTo(join(folder, "store.db"));
    const file = await open(join(folder, "store.db"), "r");
    const { size } = await file.stat();
    return thenDiscarded(withHash(readPieces(file, size)), discard);
  } catch (error) {
    await discard();
    throw error;
  }
}

async function* thenDiscarded(
  pieces: AsyncIterable<Uint8Array>,
  discard: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } finally {
    await discard();
  }
}
