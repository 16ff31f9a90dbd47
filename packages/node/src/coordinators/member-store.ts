/**
 * The store of the member as its configuration says: embedded, an etcd cluster that is there, or
 * the etcd that this node supervises.
 */
import { openSqliteStore, type Store } from "@hearthmesh/store";
import type { Config } from "../config/config.js";
import { type NodeRecord, nodeFiles } from "../home.js";
import type { Tools } from "../member-authority.js";
import type { StoreDirections } from "./member-secrets.js";

export interface MemberStore {
  readonly engine: "sqlite" | "etcd";
  readonly store: Store;
  /** `host:port` of the etcd that this node supervises; empty without one. */
  addresses(): readonly string[];
  close(): Promise<void>;
}

export interface MemberStoreOptions extends Tools {
  config: Config;
  record: NodeRecord;
  /** From another coordinator, when this machine becomes one. */
  directions: StoreDirections | undefined;
}

export async function openMemberStore(options: MemberStoreOptions): Promise<MemberStore> {
  const { config, record, clock, log } = options;
  const { store: directory } = nodeFiles(config, record);
  const store = await openSqliteStore({ directory, clock, log });
  return { engine: "sqlite", store, addresses: () => [], close: () => store.close() };
}
