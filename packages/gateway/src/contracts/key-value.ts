/**
 * Keys and values of users, watches, transactions and leases. `docs/key-value.md` explains them.
 *
 * A key stands in the path of the address, part by part percent-encoded (`keyValuePath`); its value
 * is the body, as it is. Headers of an answer about one key:
 *
 * | header                 | what                                                              |
 * |------------------------|-------------------------------------------------------------------|
 * | `ETag`                 | `"<revision that last wrote it>"`, strong                         |
 * | `X-KV-Revision`        | revision of the whole store at which this was read or written     |
 * | `X-KV-Create-Revision` | revision that made it                                             |
 * | `X-KV-Version`         | 1 when just made, then one more for each write                    |
 * | `X-KV-Lease`           | the lease it lives with; absent without one                       |
 */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { Flag } from "./common.js";
import type { Endpoint } from "./endpoint.js";

/** Headers of answers, as Node and `fetch` spell them. */
export const KV_HEADERS = {
  revision: "x-kv-revision",
  createRevision: "x-kv-create-revision",
  version: "x-kv-version",
  lease: "x-kv-lease",
} as const;

/** The path of the address of a key: `app/a b` is at `/api/kv/app/a%20b`. */
export function keyValuePath(key: string): string {
  return `/api/kv/${key.split("/").map(encodeURIComponent).join("/")}`;
}

const revision = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const leaseId = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const Duration = z.string().min(1).max(32);
const Wait = Duration.describe("Time to wait for a change, such as `30s`; at most `5m`");

export const KeyParams = z.object({
  "*": z.string().describe("The key, percent-encoded part by part: `app/config/db`"),
});
export type KeyParams = z.infer<typeof KeyParams>;

/**
 * Reading one key. With `wait` and `after`, the answer comes when the key has changed after that
 * revision, and is 304 with `X-KV-Revision` when it has not in that time. Knows `If-None-Match`.
 */
export const KvGetQuery = z.lazy(() =>
  z.object({
    revision: revision.exactOptional().describe("As it was at that revision"),
    wait: Wait.exactOptional(),
    after: revision.exactOptional(),
  }),
);
/** What a caller sends. */
export type KvGetQuery = { revision?: number; wait?: string; after?: number };

/** Knows `If-Match: "<revision>"`, `If-Match: *` and `If-None-Match: *`. The body is the value. */
export const KvPutQuery = z.lazy(() =>
  z.object({
    ttl: Duration.exactOptional().describe("Deletes the key by itself after this time: `30s`"),
    lease: z.coerce.number().pipe(leaseId).exactOptional().describe("Ties the key to this lease"),
    lock: z.string().exactOptional().describe("Only while this lock is held, with `token`"),
    token: revision.exactOptional().describe("Fencing token of the lock"),
  }),
);
/** What a caller sends. */
export type KvPutQuery = { ttl?: string; lease?: number; lock?: string; token?: number };

export const KvWriteResponse = z.lazy(() =>
  z.object({
    key: z.string(),
    revision: z.number().int().describe("That wrote it; the ETag is the same number in quotes"),
    createRevision: z.number().int(),
    version: z.number().int(),
    leaseId: leaseId.exactOptional(),
  }),
);
export type KvWriteResponse = z.infer<typeof KvWriteResponse>;

/** Knows `If-Match`. */
export const KvDeleteResponse = z.lazy(() =>
  z.object({
    deleted: z.number().int().describe("Keys that are gone"),
    revision: z.number().int(),
  }),
);
export type KvDeleteResponse = z.infer<typeof KvDeleteResponse>;

export const KvDeletePrefixQuery = z.lazy(() =>
  z.object({
    prefix: z.string().describe("Ends with `/`; empty for all keys"),
  }),
);
export type KvDeletePrefixQuery = z.infer<typeof KvDeletePrefixQuery>;

export const KvEntryView = z
  .lazy(() =>
    z.object({
      key: z.string(),
      valueBase64: z.string().exactOptional(),
      modRevision: z.number().int().describe("The ETag without its quotes"),
      createRevision: z.number().int(),
      version: z.number().int(),
      leaseId: leaseId.exactOptional(),
    }),
  )
  .meta({ id: "KvEntry" });
export type KvEntryView = z.infer<typeof KvEntryView>;

/**
 * With `wait` and `waitAfter`, the answer comes when something with the prefix has changed after
 * that revision; without a change in that time it is 304 with `X-KV-Revision`.
 */
export const KvListQuery = z.lazy(() =>
  z.object({
    prefix: z.string().default("").describe("Any text that keys begin with"),
    after: z.string().exactOptional().describe("Key after which to go on"),
    limit: z.coerce.number().int().min(1).max(limits.LIST_PAGE_ENTRIES_MAX).exactOptional(),
    values: Flag.exactOptional().describe("With the values; without it the keys alone"),
    revision: revision.exactOptional().describe("As it was at that revision"),
    wait: Wait.exactOptional(),
    waitAfter: revision.exactOptional(),
  }),
);
/** What a caller sends. */
export type KvListQuery = {
  prefix?: string;
  after?: string;
  limit?: number;
  values?: boolean;
  revision?: number;
  wait?: string;
  waitAfter?: number;
};

export const KvListResponse = z.lazy(() =>
  z.object({
    entries: z.array(KvEntryView),
    more: z.boolean().describe("Go on with `after`, the last key, and the same `revision`"),
    revision: z.number().int().describe("At which the page was read"),
  }),
);
export type KvListResponse = z.infer<typeof KvListResponse>;

/**
 * An event stream (`text/event-stream`). Either `key` or `prefix`; an empty prefix is everything.
 * `Last-Event-ID` goes before `from`.
 *
 * | event    | data                                                                            |
 * |----------|---------------------------------------------------------------------------------|
 * | `ready`  | `{ revision }`: changes after it follow                                         |
 * | `change` | `KvChange`: all that one transaction changed, never split; `id:` is its revision |
 * | `failed` | a `Problem`; the stream ends, as with `MESH_STORE_COMPACTED` or `MESH_FORBIDDEN` |
 */
export const KvWatchQuery = z.lazy(() =>
  z.object({
    key: z.string().exactOptional(),
    prefix: z.string().exactOptional(),
    from: revision.exactOptional().describe("First revision of interest; the next one by default"),
    values: Flag.exactOptional().describe("With the values (default); `false` for the keys alone"),
  }),
);
/** What a caller sends. */
export type KvWatchQuery = { key?: string; prefix?: string; from?: number; values?: boolean };

export const KvEvent = z.lazy(() =>
  z.discriminatedUnion("type", [
    z.object({ type: z.literal("put"), entry: KvEntryView }),
    z.object({ type: z.literal("delete"), key: z.string() }),
  ]),
);
export type KvEvent = z.infer<typeof KvEvent>;

export const KvChange = z
  .lazy(() => z.object({ revision: z.number().int(), events: z.array(KvEvent) }))
  .meta({ id: "KvChange" });
export type KvChange = z.infer<typeof KvChange>;

const operations = limits.STORE_TXN_OPERATIONS_MAX;

export const KvCompare = z.union([
  z
    .object({
      key: z.string(),
      target: z.enum(["modRevision", "createRevision", "version"]),
      is: z.enum(["=", "!=", "<", ">"]),
      value: z.number().int().min(0).describe("0 for a key that is not there"),
    })
    .strict(),
  z
    .object({
      key: z.string(),
      target: z.literal("value"),
      is: z.enum(["=", "!="]),
      valueBase64: z.base64(),
    })
    .strict(),
]);
export type KvCompare = z.infer<typeof KvCompare>;

export const KvOperation = z.lazy(() =>
  z.discriminatedUnion("type", [
    z
      .object({
        type: z.literal("put"),
        key: z.string(),
        valueBase64: z.base64(),
        leaseId: leaseId.exactOptional(),
      })
      .strict(),
    z.object({ type: z.literal("delete"), key: z.string() }).strict(),
    z.object({ type: z.literal("deletePrefix"), prefix: z.string() }).strict(),
    z.object({ type: z.literal("get"), key: z.string() }).strict(),
  ]),
);
export type KvOperation = z.infer<typeof KvOperation>;

const Fence = z.lazy(() =>
  z.object({
    lock: z.string(),
    token: z.number().int().min(1).describe("Fencing token of the lock's holder"),
  }),
);

/** All compares must hold for `success` to run, else `failure` runs; all of it at one revision. */
export const KvTransactionRequest = z.lazy(() =>
  z
    .object({
      compare: z.array(KvCompare).max(operations).exactOptional(),
      success: z.array(KvOperation).max(operations),
      failure: z.array(KvOperation).max(operations).exactOptional(),
      fence: Fence.unwrap()
        .strict()
        .exactOptional()
        .describe("Nothing happens unless this lock is held"),
    })
    .strict(),
);
export type KvTransactionRequest = z.infer<typeof KvTransactionRequest>;

export const KvOperationResult = z.lazy(() =>
  z.discriminatedUnion("type", [
    z.object({ type: z.literal("put") }),
    z.object({ type: z.literal("delete"), deleted: z.number().int() }),
    z.object({ type: z.literal("get"), entry: KvEntryView.nullable() }),
  ]),
);
export type KvOperationResult = z.infer<typeof KvOperationResult>;

export const KvTransactionResponse = z.lazy(() =>
  z.object({
    succeeded: z.boolean().describe("Whether the compares held"),
    revision: z.number().int(),
    results: z.array(KvOperationResult).describe("Of the operations that ran, in their order"),
  }),
);
export type KvTransactionResponse = z.infer<typeof KvTransactionResponse>;

export const KvLeaseRequest = z.lazy(() =>
  z.object({ ttl: Duration.describe("`30s`; at most 31 days") }).strict(),
);
export type KvLeaseRequest = z.infer<typeof KvLeaseRequest>;

export const KvLeaseParams = z.lazy(() => z.object({ lease: z.coerce.number().pipe(leaseId) }));

export const KvLeaseView = z
  .lazy(() =>
    z.object({
      leaseId,
      ttlMs: z.number().int(),
      createdAtMs: z.number().int(),
      owner: z.string().describe("SPIFFE id"),
      purpose: z
        .enum(["lease", "key", "lock"])
        .describe("Asked for; of a put with `ttl`; of a lock"),
    }),
  )
  .meta({ id: "KvLease" });
export type KvLeaseView = z.infer<typeof KvLeaseView>;

export const KvLeaseResponse = z.lazy(() => z.object({ lease: KvLeaseView }));
export type KvLeaseResponse = z.infer<typeof KvLeaseResponse>;

export const KvLeasesResponse = z.lazy(() => z.object({ leases: z.array(KvLeaseView) }));
export type KvLeasesResponse = z.infer<typeof KvLeasesResponse>;

export const KV_ENDPOINTS = {
  kvList: {
    method: "GET",
    path: "/api/kv",
    tag: "kv",
    summary: "Keys in the order of their bytes; only those that the caller may read",
    query: KvListQuery,
    response: KvListResponse,
  },
  kvDeletePrefix: {
    method: "DELETE",
    path: "/api/kv",
    tag: "kv",
    summary: "Delete all keys with a prefix, at once",
    query: KvDeletePrefixQuery,
    response: KvDeleteResponse,
  },
  kvGet: {
    method: "GET",
    path: "/api/kv/*",
    tag: "kv",
    summary: "The value of a key, as bytes",
    params: KeyParams,
    query: KvGetQuery,
  },
  kvPut: {
    method: "PUT",
    path: "/api/kv/*",
    tag: "kv",
    summary: "Write a key: the body is its value",
    params: KeyParams,
    query: KvPutQuery,
    response: KvWriteResponse,
  },
  kvDelete: {
    method: "DELETE",
    path: "/api/kv/*",
    tag: "kv",
    summary: "Delete a key",
    params: KeyParams,
    response: KvDeleteResponse,
  },
  kvWatch: {
    method: "GET",
    path: "/api/kv-watch",
    tag: "kv",
    summary: "Changes of a key or prefix, as an event stream",
    query: KvWatchQuery,
  },
  kvTransaction: {
    method: "POST",
    path: "/api/kv-transactions",
    tag: "kv",
    summary: "Compare, then write, all at once",
    body: KvTransactionRequest,
    response: KvTransactionResponse,
  },
  kvGrantLease: {
    method: "POST",
    path: "/api/kv-leases",
    tag: "kv",
    summary: "A time to live that several keys share",
    successStatus: 201,
    body: KvLeaseRequest,
    response: KvLeaseResponse,
  },
  kvLeases: {
    method: "GET",
    path: "/api/kv-leases",
    tag: "kv",
    summary: "Open leases of the caller; of everybody for the operator",
    response: KvLeasesResponse,
  },
  kvKeepLeaseAlive: {
    method: "POST",
    path: "/api/kv-leases/:lease/keep-alive",
    tag: "kv",
    summary: "Start the time of a lease anew",
    params: KvLeaseParams,
    response: KvLeaseResponse,
  },
  kvRevokeLease: {
    method: "DELETE",
    path: "/api/kv-leases/:lease",
    tag: "kv",
    summary: "End a lease: its keys are deleted at once",
    params: KvLeaseParams,
    response: KvLeaseResponse,
  },
} as const satisfies Record<string, Endpoint>;
