/** Keys, values, leases and locks for users. */
export { type KeyValuePolicy, keyGrants } from "./access.js";
export { KeyValueService, type KeyValueServiceOptions } from "./key-value-service.js";
export { KV_ROOT } from "./keys.js";
export * as keyValueLimits from "./limits.js";
export type { LockListOptions } from "./lock-listing.js";
export { rebindUserLease } from "./move-leases.js";
export type * from "./types.js";
export type { UsageLimits } from "./usage-meter.js";
