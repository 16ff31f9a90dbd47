/** Keys and values of users. What the caller may see and do is judged by the service. */
import { isMeshError, limits, MeshError, parseDurationMs } from "@hearthmesh/core";
import { KV_ENDPOINTS, KV_HEADERS, type KvGetQuery, type KvPutQuery } from "../contracts/index.js";
import { bodySource } from "../files/body-source.js";
import { isUnchanged } from "../files/conditions.js";
import { type Call, defineRoute, type Route } from "../server/route.js";
import type { GatewayServices, KeyValues } from "../services.js";
import { matchCondition, writeCondition } from "./key-value-conditions.js";
import { keyEntryView, keyHeaders, writtenView } from "./key-value-views.js";

const BYTES = "application/octet-stream";

/** `MESH_NOT_FOUND` on a node that keeps no store. */
export function keyValuesOf({ keyValue }: Pick<GatewayServices, "keyValue">): KeyValues {
  if (keyValue !== undefined) return keyValue;
  throw new MeshError("MESH_NOT_FOUND", {
    message: "this node keeps no keys and values",
    hint: "Ask a coordinator of the member.",
  });
}

export function keyValueRoutes(services: GatewayServices): Route[] {
  return [...keyRoutes(services), ...listingRoutes(services)];
}

function keyRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(
      KV_ENDPOINTS.kvGet,
      "enrolled",
      async (call) => {
        await sendKey(keyValuesOf(services), call);
        return undefined;
      },
      { answersHead: true },
    ),
    defineRoute(
      KV_ENDPOINTS.kvPut,
      "enrolled",
      async ({ params, query, caller, request, reply }) => {
        const keyValues = keyValuesOf(services);
        const options = { ...putOptions(query), ...writeCondition(request.headers) };
        const value = await wholeBody(request.raw);
        const written = await keyValues.put(caller.principal, params["*"], value, options);
        const { revision } = written;
        reply.headers(keyHeaders({ ...written, modRevision: revision }, revision));
        return writtenView(written);
      },
      { streamsBody: true },
    ),
    defineRoute(KV_ENDPOINTS.kvDelete, "enrolled", async ({ params, caller, request }) => {
      const condition = matchCondition(request.headers);
      return keyValuesOf(services).delete(caller.principal, params["*"], condition);
    }),
  ];
}

function listingRoutes(services: GatewayServices): Route[] {
  return [
    defineRoute(
      KV_ENDPOINTS.kvList,
      "enrolled",
      async ({ query, caller: { principal }, signal, reply }) => {
        const keyValues = keyValuesOf(services);
        const { prefix, wait, waitAfter, values = false, ...rest } = query;
        requireBoth("wait", wait, "waitAfter", waitAfter);
        if (wait !== undefined && waitAfter !== undefined) {
          const options = { after: waitAfter, waitMs: parseDurationMs(wait), signal };
          const changed = await keyValues.waitForChange(principal, { prefix }, options);
          // The answer is sent: a 304 has no body of the endpoint's shape.
          if (changed === undefined) return sendUnchanged(reply, waitAfter) as never;
        }
        const page = await keyValues.list(principal, prefix, { ...rest, keysOnly: !values });
        reply.header(KV_HEADERS.revision, String(page.revision));
        const entries = page.entries.map((entry) => keyEntryView(entry, values));
        return { entries, more: page.more, revision: page.revision };
      },
    ),
    defineRoute(KV_ENDPOINTS.kvDeletePrefix, "enrolled", async ({ query, caller }) => {
      return keyValuesOf(services).deletePrefix(caller.principal, query.prefix);
    }),
  ];
}

type GetCall = Pick<
  Call<typeof KV_ENDPOINTS.kvGet>,
  "params" | "query" | "caller" | "signal" | "request" | "reply"
>;

async function sendKey(keyValues: KeyValues, call: GetCall): Promise<void> {
  const { params, query, caller, request, reply } = call;
  const key = params["*"];
  const { wait, after, revision } = query;
  requireBoth("wait", wait, "after", after);
  if (wait !== undefined && after !== undefined) {
    refuseTogether("wait", "revision", revision);
    if (!(await hasChanged(keyValues, call, { wait, after }))) {
      sendUnchanged(reply, after);
      return;
    }
  }
  const past = revision === undefined ? {} : { revision };
  const read = await foundOrTold(keyValues.get(caller.principal, key, past), reply);
  reply.headers(keyHeaders(read.entry, read.revision));
  const tag = String(read.entry.modRevision);
  if (wait === undefined && isUnchanged(request.headers["if-none-match"], tag)) {
    reply.code(304).send();
    return;
  }
  // A value is anybody's bytes: never shown as a page of this address.
  reply.headers({ "content-type": BYTES, "content-disposition": "attachment" });
  const { value } = read.entry;
  if (request.method === "HEAD") reply.header("content-length", value.length).send();
  else reply.send(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
}

async function hasChanged(
  keyValues: KeyValues,
  { params, caller, signal }: GetCall,
  { wait, after }: Required<Pick<KvGetQuery, "wait" | "after">>,
): Promise<boolean> {
  const options = { after, waitMs: parseDurationMs(wait), signal };
  const target = { key: params["*"] };
  return (await keyValues.waitForChange(caller.principal, target, options)) !== undefined;
}

/** A key that is not there has a revision too: that from which to wait for it. */
async function foundOrTold<T>(reading: Promise<T>, reply: GetCall["reply"]): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    const { revision } = (isMeshError(error, "MESH_KV_NOT_FOUND") && error.details) || {};
    if (typeof revision === "number") reply.header(KV_HEADERS.revision, String(revision));
    throw error;
  }
}

function sendUnchanged(reply: GetCall["reply"], revision: number): undefined {
  reply.code(304).header(KV_HEADERS.revision, String(revision)).send();
  return undefined;
}

function putOptions({ ttl, lease, lock, token }: KvPutQuery) {
  requireBoth("lock", lock, "token", token);
  return {
    ...(ttl === undefined ? {} : { ttlMs: parseDurationMs(ttl) }),
    ...(lease === undefined ? {} : { leaseId: lease }),
    ...(lock === undefined || token === undefined ? {} : { fence: { lock, token } }),
  };
}

function requireBoth(a: string, valueA: unknown, b: string, valueB: unknown): void {
  if ((valueA === undefined) === (valueB === undefined)) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `\`${a}\` and \`${b}\` belong together: one of them is missing`,
  });
}

function refuseTogether(a: string, b: string, value: unknown): void {
  if (value === undefined) return;
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `\`${a}\` and \`${b}\` do not go together`,
  });
}

/** The value; one that is too large is not read to its end. */
async function wholeBody(request: Parameters<typeof bodySource>[0]): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of bodySource(request)) {
    bytes += piece.length;
    if (bytes > limits.STORE_VALUE_BYTES_MAX) {
      throw new MeshError("MESH_STORE_VALUE_TOO_LARGE", {
        message: `a value has at most ${limits.STORE_VALUE_BYTES_MAX} bytes`,
        hint: "Keep what is larger in a file, and its path here.",
        details: { limitBytes: limits.STORE_VALUE_BYTES_MAX },
      });
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes);
}
