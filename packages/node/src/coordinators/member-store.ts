/**
 * The store of the member as its configuration says: embedded, an etcd cluster that is there, or
 * the etcd that this node supervises.
 */
import { readFile } from "node:fs/promises";
import { readPrivate } from "@hearthmesh/client/private-files";
import { MeshError } from "@hearthmesh/core";
import {
  type EtcdStoreOptions,
  isMigrationUnfinished,
  openEtcdAdmin,
  openEtcdStore,
  openSqliteStore,
  type Store,
  type TlsMaterial,
} from "@hearthmesh/store";
import type { Config } from "../config/config.js";
import type { OtherCoordinators } from "../etcd/etcd-supervisor-options.js";
import { ensureStoreCa } from "../etcd/store-ca.js";
import { chooseEngine, recordEngine, type StoreEngine } from "../etcd/store-choice.js";
import { type StoreFiles, storeFiles } from "../etcd/store-files.js";
import { storeHosts } from "../etcd/store-hosts.js";
import type { StoreSource } from "../etcd/store-service.js";
import { type NodeRecord, nodeFiles } from "../home.js";
import type { Tools } from "../tools.js";
import type { StoreDirections } from "./member-secrets.js";

/**
 * A write that a dead leader of etcd was to pass on is given up after this, with an election behind
 * it: a new one answers by then.
 */
const REQUEST_TIMEOUT_MS = 2_500;

/** The first start of a cluster of several waits for the others this long. */
const USABLE_TIMEOUT_MS = 120_000;

export interface MemberStore {
  readonly engine: StoreEngine;
  readonly store: Store;
  /** `host:port` of the etcd that this node supervises; empty without one. */
  addresses(): readonly string[];
  /** For whoever tells about the store. */
  readonly source: StoreSource;
  /** What is known of the other coordinators, once somebody can tell. */
  learn(sight: StoreSight): void;
  /** Leaves all connections, dials anew and says where; absent where there are none. */
  redial?(): readonly string[];
  close(): Promise<void>;
}

/** What the supervisor of the store asks about the other coordinators. */
export interface StoreSight {
  others(): OtherCoordinators;
  isRemoved(nodeId: string): boolean;
}

export interface MemberStoreOptions extends Tools {
  config: Config;
  record: NodeRecord;
  /** From another coordinator, when this machine becomes one. */
  directions: StoreDirections | undefined;
}

/**
 * `MESH_CONFIG_INVALID` when the home holds another engine or the settings do not fit together,
 * `MESH_ETCD_MISSING`, `MESH_ETCD_FAILED`, `MESH_STORE_UNAVAILABLE`. Nothing stays open then.
 */
export async function openMemberStore(options: MemberStoreOptions): Promise<MemberStore> {
  const { config, record, directions } = options;
  const files = storeFiles(config, record);
  const asked = config.store.endpoints.length > 0 ? "etcd" : config.store.engine;
  const engine = await chooseEngine(files, asked ?? directions?.engine);
  refuseContradictions(config, record, engine);
  const opened = engine === "sqlite" ? await openEmbedded(options) : await openEtcd(options, files);
  try {
    await refuseUnfinished(opened, engine);
    await recordEngine(files, engine);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Half a member's records are worse than none: nobody would know which. */
async function refuseUnfinished({ store }: MemberStore, engine: StoreEngine): Promise<void> {
  if (!(await isMigrationUnfinished(store))) return;
  const from = engine === "etcd" ? "sqlite" : "etcd";
  throw new MeshError("MESH_STORE_MISMATCH", {
    message: `the move of this member's records from ${from} to ${engine} was broken off`,
    hint: `The source is whole: \`mesh store migrate --from ${from} --to ${engine}\` again.`,
  });
}

function refuseContradictions({ store }: Config, record: NodeRecord, engine: StoreEngine): void {
  if (store.endpoints.length > 0 && store.engine === "sqlite") {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: "store.endpoints name an etcd cluster, and store.engine is sqlite",
      hint: "Leave one of the two out.",
    });
  }
  if (engine === "sqlite" && record.coordinator !== undefined) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `${record.name} is one of several coordinators, and these share a store on etcd`,
      hint: "Start it with `mesh up --store etcd`.",
    });
  }
}

/**
 * Only for an offline command beside `openMemberStore`: it does not look at what the home holds.
 */
export async function openEmbedded({ config, record, clock, log }: MemberStoreOptions) {
  const { store: directory } = nodeFiles(config, record);
  const store = await openSqliteStore({ directory, clock, log });
  return {
    engine: "sqlite" as const,
    store,
    source: { mode: "embedded" as const, store },
    addresses: () => [],
    learn: () => undefined,
    close: () => store.close(),
  };
}

/** As `openEmbedded`, on etcd. */
export async function openEtcd(
  options: MemberStoreOptions,
  files: StoreFiles,
): Promise<MemberStore> {
  const { config } = options;
  if (config.store.endpoints.length > 0) return openExisting(options);
  return openSupervised(options, files);
}

/** A cluster that somebody else runs. Its records lie below a prefix of their own. */
async function openExisting(options: MemberStoreOptions): Promise<MemberStore> {
  const { endpoints, user } = options.config.store;
  const tls = await ownMaterial(options.config);
  const password = await ownPassword(options.config);
  const connection = {
    endpoints,
    ...(tls === undefined ? {} : { tls: () => tls }),
    ...(user === undefined ? {} : { user: { name: user, password } }),
  };
  const store = await openEtcdStore({ ...storeOptions(options, endpoints), ...connection });
  const { clock, random, log } = options;
  const admin = await openEtcdAdmin({ ...connection, clock, random, log });
  return {
    engine: "etcd",
    store,
    source: { mode: "external", store, admin, endpoints },
    addresses: () => [],
    learn: () => undefined,
    redial: () => {
      store.redial();
      return endpoints;
    },
    close: async () => {
      await admin.close();
      await store.close();
    },
  };
}

async function openSupervised(
  options: MemberStoreOptions,
  files: StoreFiles,
): Promise<MemberStore> {
  const { config, record, directions, clock, random, log } = options;
  const { memberId, trustDomain, nodeId, name: nodeName } = record;
  // Loaded late: a member whose store is embedded starts no etcd.
  const { EtcdSupervisor } = await import("../etcd/etcd-supervisor.js");
  const ca = await ensureStoreCa(files, { memberId, trustDomain, clock, random });
  let sight: StoreSight = {
    others: () => ({ storeAddresses: directions?.addresses ?? [], aliveNodeIds: [] }),
    isRemoved: () => false,
  };
  const supervisor = new EtcdSupervisor({
    store: config.store,
    files,
    ca,
    nodeId,
    nodeName,
    trustDomain,
    hosts: () => storeHosts(config),
    mayCreate: record.coordinator === undefined,
    others: () => sight.others(),
    isRemoved: (removed) => sight.isRemoved(removed),
    times: { lostMs: config.store.memberLostMs },
    searchPath: process.env.PATH,
    clock,
    random,
    log,
  });
  try {
    await supervisor.start();
    await supervisor.untilUsable(USABLE_TIMEOUT_MS);
    const { tls } = supervisor;
    const store = await openEtcdStore({ ...storeOptions(options, supervisor.endpoints()), tls });
    const unfollow = supervisor.onEndpoints((endpoints) => store.setEndpoints(endpoints));
    return {
      engine: "etcd",
      store,
      source: { mode: "supervised", store, supervisor },
      addresses: () => supervisor.addresses(),
      learn: (next) => {
        sight = next;
      },
      redial: () => {
        store.redial();
        return supervisor.endpoints();
      },
      close: async () => {
        unfollow();
        await store.close();
        await supervisor.stop();
      },
    };
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
}

function storeOptions(
  { record, clock, random, log }: MemberStoreOptions,
  endpoints: readonly string[],
): EtcdStoreOptions {
  const keyPrefix = `/hearthmesh/${record.trustDomain}/`;
  return { endpoints, keyPrefix, requestTimeoutMs: REQUEST_TIMEOUT_MS, clock, random, log };
}

async function ownMaterial({ store }: Config): Promise<TlsMaterial | undefined> {
  const { caFile, certificateFile, keyFile } = store;
  if (caFile === undefined && certificateFile === undefined && keyFile === undefined) {
    return undefined;
  }
  if (caFile === undefined || certificateFile === undefined || keyFile === undefined) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: "store.ca, store.certificate and store.key belong together: one is missing",
    });
  }
  return {
    caCertificatePem: await readFile(caFile, "utf8"),
    certificatePem: await readFile(certificateFile, "utf8"),
    privateKeyPem: await readPrivate(keyFile),
  };
}

async function ownPassword({ store }: Config): Promise<string> {
  if (store.user === undefined) return "";
  if (store.passwordFile === undefined) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: "store.user needs store.passwordFile: a password never stands in argv",
    });
  }
  return (await readPrivate(store.passwordFile)).replace(/\r?\n$/, "");
}
