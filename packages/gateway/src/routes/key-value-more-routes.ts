/** Watches, transactions and leases of users, and their locks. */
import { Readable } from "node:stream";
import { MeshError, parseDurationMs } from "@hearthmesh/core";
import { KV_ENDPOINTS, LOCK_ENDPOINTS } from "../contracts/index.js";
import { type Call, defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { keyValuesOf } from "./key-value-routes.js";
import { eventStream } from "./key-value-stream.js";
import { lockView, transactionOf, transactionView } from "./key-value-views.js";

export function keyValueMoreRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(KV_ENDPOINTS.kvWatch, "enrolled", async (call) => {
      await sendWatch(services, call);
      return undefined;
    }),
    defineRoute(KV_ENDPOINTS.kvTransaction, "enrolled", async ({ body, caller }) => {
      const transaction = transactionOf(body);
      const result = await keyValuesOf(services).transact(caller.principal, transaction);
      return transactionView(result);
    }),
    ...leaseRoutes(services),
    ...lockRoutes(services),
  ];
}

function leaseRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(KV_ENDPOINTS.kvGrantLease, "enrolled", async ({ body, caller }) => {
      const ttlMs = parseDurationMs(body.ttl);
      return { lease: await keyValuesOf(services).grantLease(caller.principal, ttlMs) };
    }),
    defineRoute(KV_ENDPOINTS.kvLeases, "enrolled", async ({ caller }) => {
      return { leases: await keyValuesOf(services).listLeases(caller.principal) };
    }),
    defineRoute(KV_ENDPOINTS.kvKeepLeaseAlive, "enrolled", async ({ params, caller }) => {
      const { lease } = params;
      return { lease: await keyValuesOf(services).keepLeaseAlive(caller.principal, lease) };
    }),
    defineRoute(KV_ENDPOINTS.kvRevokeLease, "enrolled", async ({ params, caller }) => {
      return { lease: await keyValuesOf(services).revokeLease(caller.principal, params.lease) };
    }),
  ];
}

function lockRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(LOCK_ENDPOINTS.lockAcquire, "enrolled", async ({ body, caller, signal }) => {
      const { name, ttl, wait, holder } = body;
      const waitMs = wait === undefined ? 0 : parseDurationMs(wait);
      const options = { ttlMs: parseDurationMs(ttl), waitMs, holder, signal };
      return { held: await keyValuesOf(services).acquireLock(caller.principal, name, options) };
    }),
    defineRoute(LOCK_ENDPOINTS.lockRenew, "enrolled", async ({ body, caller }) => {
      const { name, token } = body;
      return { held: await keyValuesOf(services).renewLock(caller.principal, name, token) };
    }),
    defineRoute(LOCK_ENDPOINTS.lockRelease, "enrolled", async ({ body, caller }) => {
      const { name, token } = body;
      await keyValuesOf(services).releaseLock(caller.principal, name, token);
      return { released: name };
    }),
    defineRoute(LOCK_ENDPOINTS.lockInspect, "enrolled", async ({ query, caller }) => {
      const lock = await keyValuesOf(services).inspectLock(caller.principal, query.name);
      return { lock: lockView(lock) };
    }),
    defineRoute(LOCK_ENDPOINTS.locks, "enrolled", async ({ query, caller }) => {
      const { prefix, ...options } = query;
      const page = await keyValuesOf(services).listLocks(caller.principal, prefix, options);
      return { locks: page.locks.map(lockView), more: page.more };
    }),
  ];
}

type WatchCall = Pick<
  Call<typeof KV_ENDPOINTS.kvWatch>,
  "query" | "caller" | "signal" | "request" | "reply"
>;

async function sendWatch(services: GatewayServices, call: WatchCall): Promise<void> {
  const { query, caller, signal, request, reply } = call;
  const keyValues = keyValuesOf(services);
  const fromRevision = lastSeen(request.headers["last-event-id"]) ?? query.from;
  const from = fromRevision === undefined ? {} : { fromRevision };
  const watch = await keyValues.watch(caller.principal, targetOf(query), { ...from, signal });
  const check = () => {
    watch.check();
    checkKey(services, call);
  };
  const withValues = query.values ?? true;
  const events = eventStream({ watch, clock: services.clock, withValues, check });
  reply.header("content-type", "text/event-stream").header("x-accel-buffering", "no");
  reply.send(Readable.from(events, { objectMode: false }));
}

function targetOf({ key, prefix }: WatchCall["query"]) {
  if (key !== undefined && prefix === undefined) return { key };
  if (prefix !== undefined && key === undefined) return { prefix };
  throw new MeshError("MESH_BAD_REQUEST", { message: "watch either a `key` or a `prefix`" });
}

/** The first revision that the client has not seen. */
function lastSeen(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const revision = Number(/^[1-9]\d{0,15}$/.exec(String(header))?.[0]);
  if (Number.isSafeInteger(revision)) return revision + 1;
  throw new MeshError("MESH_BAD_REQUEST", { message: "`Last-Event-ID` is not a revision" });
}

/** An API key that was revoked or has expired opens no stream any longer. */
function checkKey({ authority }: GatewayServices, { caller, request }: WatchCall): void {
  if (caller.keyId === undefined) return;
  const key = String(request.headers["x-api-key"] ?? "");
  authority.apiKeys.verify(key, request.raw.socket.remoteAddress ?? "");
}
