/** The engine on etcd, and what the operator of an etcd cluster does. */
export {
  type EtcdAdmin,
  type EtcdAdminOptions,
  type EtcdAlarm,
  type EtcdAlarmType,
  type EtcdEndpointStatus,
  type EtcdMember,
  openEtcdAdmin,
} from "./admin.js";
export type { TlsMaterial } from "./endpoints.js";
export { ETCD_SERVER_LIMIT_FLAGS } from "./etcd-limits.js";
export { type EtcdStore, type EtcdStoreOptions, openEtcdStore } from "./etcd-store.js";
