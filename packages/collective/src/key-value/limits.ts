/**
 * Limits of users' keys and locks. They keep users from filling the store that the whole member
 * lives on. Limits on what one operation takes hold exactly; those on what all hold together
 * (entries, bytes, leases) are checked before each write against what this coordinator has seen,
 * so that writes at the same moment may exceed them by as much as they bring.
 */
import { limits } from "@hearthmesh/core";

/** A key in UTF-8: with `/kv/` before it, it is the path of a grant. */
export const KV_KEY_BYTES_MAX = limits.PATH_BYTES_MAX - "/kv/".length;
/** Keys of all users together, and bytes of their keys and values. */
export const KV_ENTRIES_MAX = 100_000;
export const KV_BYTES_MAX = 256 << 20;
/** Bytes of keys and values in one page of a listing; in base64 it fits one answer. */
export const KV_PAGE_BYTES_MAX = 8 << 20;
/** Leases of all users, below what the store takes; and of one identity. */
export const KV_LEASES_MAX = 8_000;
export const KV_LEASES_PER_OWNER_MAX = 500;
/** Time to live of a lease or key. An engine may count in whole seconds. */
export const KV_TTL_MS_MIN = 1_000;
export const KV_TTL_MS_MAX = limits.STORE_LEASE_TTL_MS_MAX;
/** Watches and waiting requests of one coordinator, and of one identity on it. */
export const KV_WATCHES_MAX = 512;
export const KV_WATCHES_PER_OWNER_MAX = 64;
/** How long one request may wait for a change or for a lock. */
export const KV_WAIT_MS_MAX = 300_000;

/** Time that a lock is held without being renewed. */
export const LOCK_TTL_MS_MAX = 86_400_000;
/** The holder of one lock and those that wait for it. */
export const LOCK_QUEUE_MAX = 256;
/** What a holder calls itself, in UTF-8. */
export const LOCK_HOLDER_BYTES_MAX = 128;
