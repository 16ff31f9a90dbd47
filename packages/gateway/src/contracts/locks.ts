/** Locks: one holder at a time, in the order of asking, with a fencing token. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { TimeMs } from "./common.js";
import type { Endpoint } from "./endpoint.js";

const Name = z.string().min(1).describe("Like a key: `jobs/nightly`");
const Token = z.number().int().min(1).describe("Grows with every new holder");

export const LockAcquireRequest = z.lazy(() =>
  z
    .object({
      name: Name,
      ttl: z.string().max(32).default("30s").describe("Lost when it is not renewed in this time"),
      wait: z.string().max(32).exactOptional().describe("Wait so long for it; at most `5m`"),
      holder: z.string().max(128).default("").describe("Who holds it, for people"),
    })
    .strict(),
);
/** What a caller sends. */
export type LockAcquireRequest = z.input<typeof LockAcquireRequest>;

export const LockHoldView = z
  .lazy(() =>
    z.object({
      name: z.string(),
      token: Token,
      ttlMs: z.number().int(),
      principal: z.string().describe("SPIFFE id of who asked for it"),
      holder: z.string(),
      sinceMs: TimeMs.describe("Held since, by the clock of the coordinator that gave it"),
    }),
  )
  .meta({ id: "LockHold" });
export type LockHoldView = z.infer<typeof LockHoldView>;

export const LockHoldResponse = z.lazy(() => z.object({ held: LockHoldView }));
export type LockHoldResponse = z.infer<typeof LockHoldResponse>;

export const LockTokenRequest = z.lazy(() => z.object({ name: Name, token: Token }).strict());
export type LockTokenRequest = z.infer<typeof LockTokenRequest>;

export const LockReleaseResponse = z.lazy(() =>
  z.object({ released: z.string().describe("Name of the lock") }),
);
export type LockReleaseResponse = z.infer<typeof LockReleaseResponse>;

export const LockView = z
  .lazy(() =>
    z.object({
      name: z.string(),
      held: LockHoldView.nullable().describe("Null when nobody holds it"),
      waiting: z.number().int().describe("How many wait for it"),
    }),
  )
  .meta({ id: "Lock" });
export type LockView = z.infer<typeof LockView>;

export const LockInspectQuery = z.lazy(() => z.object({ name: Name }));
export type LockInspectQuery = z.infer<typeof LockInspectQuery>;

export const LockInspectResponse = z.lazy(() => z.object({ lock: LockView }));
export type LockInspectResponse = z.infer<typeof LockInspectResponse>;

export const LocksQuery = z.lazy(() =>
  z.object({
    prefix: z.string().default("").describe("Any text that names begin with"),
    after: z.string().exactOptional().describe("Name after which to go on"),
    limit: z.coerce.number().int().min(1).max(limits.LIST_PAGE_ENTRIES_MAX).exactOptional(),
  }),
);
/** What a caller sends. */
export type LocksQuery = z.input<typeof LocksQuery>;

export const LocksResponse = z.lazy(() =>
  z.object({ locks: z.array(LockView), more: z.boolean() }),
);
export type LocksResponse = z.infer<typeof LocksResponse>;

export const LOCK_ENDPOINTS = {
  lockAcquire: {
    method: "POST",
    path: "/api/locks/acquire",
    tag: "kv",
    summary: "Take a lock, or wait for it",
    body: LockAcquireRequest,
    response: LockHoldResponse,
  },
  lockRenew: {
    method: "POST",
    path: "/api/locks/renew",
    tag: "kv",
    summary: "Start the time of a held lock anew; MESH_LOCK_LOST when it is not held any more",
    body: LockTokenRequest,
    response: LockHoldResponse,
  },
  lockRelease: {
    method: "POST",
    path: "/api/locks/release",
    tag: "kv",
    summary: "Give a lock back; the operator may do it for another",
    body: LockTokenRequest,
    response: LockReleaseResponse,
  },
  lockInspect: {
    method: "GET",
    path: "/api/locks/inspect",
    tag: "kv",
    summary: "Who holds a lock, and how many wait",
    query: LockInspectQuery,
    response: LockInspectResponse,
  },
  locks: {
    method: "GET",
    path: "/api/locks",
    tag: "kv",
    summary: "Locks that are held; only those that the caller may read",
    query: LocksQuery,
    response: LocksResponse,
  },
} as const satisfies Record<string, Endpoint>;
