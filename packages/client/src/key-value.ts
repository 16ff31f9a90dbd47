/**
 * Keys and values of a member, over the HTTP API: what programs agree on. Values up to 1 MiB, in
 * memory as a whole. `docs/key-value.md` explains the meaning.
 *
 * ```ts
 * const keyValue = new KeyValueClient({ door: api, clock, random });
 * const { etag } = await keyValue.put("app/config", JSON.stringify(config), { ifAbsent: true });
 * for await (const { events } of keyValue.watch({ prefix: "app/" }, { signal })) apply(events);
 * ```
 *
 * A write is never repeated by itself when its answer did not arrive, because it may have happened
 * and somebody else may have written since: the error (`MESH_UNREACHABLE`, `MESH_TIMEOUT`) is
 * thrown, and the caller reads before it writes again. With `ifMatch` or `ifAbsent` repeating is
 * always safe. Reads, and calls that surely did not arrive, go on at another coordinator.
 */
import { type Clock, isMeshError, limits, MeshError, type Random } from "@hearthmesh/core";
import type {
  KvDeleteResponse,
  KvLeaseResponse,
  KvLeasesResponse,
  KvListResponse,
  KvTransactionResponse,
  KvWriteResponse,
} from "@hearthmesh/gateway/contracts";
import { readJson, requireSuccess } from "./answers.js";
import { type HttpAnswer, type HttpRequest, readBytes } from "./http-connection.js";
import type {
  KeyRecord,
  KeyValueChange,
  KeyValueDoor,
  KeyValueEntry,
  KeyValuePage,
  Lease,
  ListOptions,
  PutOptions,
  Transaction,
  TransactionAnswer,
  Value,
  WatchOptions,
  WatchRange,
} from "./key-value-types.js";
import { watchKeys } from "./key-value-watch.js";
import {
  bytesOf,
  durationOf,
  entryOf,
  fenceQuery,
  ifMatchHeader,
  keyPath,
  recordOfHeaders,
  resultOf,
  transactionRequest,
} from "./key-value-wire.js";
import { queryOf } from "./query-text.js";

const VALUE_BYTES_MAX = limits.STORE_VALUE_BYTES_MAX;
/** Silence that ends a call; answers come from a store nearby. */
const CALL_IDLE_TIMEOUT_MS = 15_000;

interface Options {
  readonly signal?: AbortSignal | undefined;
}

export interface KeyValueOptions {
  readonly door: KeyValueDoor;
  readonly clock: Clock;
  readonly random: Random;
}

export class KeyValueClient {
  readonly #tools: KeyValueOptions;

  constructor(options: KeyValueOptions) {
    this.#tools = options;
  }

  /** Undefined when there is no such key. `revision`: as it was then. */
  async get(
    key: string,
    options: Options & { readonly revision?: number } = {},
  ): Promise<KeyValueEntry | undefined> {
    const { revision, signal } = options;
    const path = `${keyPath(key)}${queryOf({ revision })}`;
    try {
      const answer = await this.#send({ method: "GET", path, signal });
      await requireSuccess(answer);
      const record = recordOfHeaders(key, answer);
      return { ...record, value: await readBytes(answer.body, VALUE_BYTES_MAX) };
    } catch (error) {
      if (isMeshError(error, "MESH_KV_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  /** The value as text; undefined when there is no such key. */
  async getText(key: string, options: Options = {}): Promise<string | undefined> {
    const entry = await this.get(key, options);
    return entry === undefined ? undefined : Buffer.from(entry.value).toString("utf8");
  }

  /**
   * The value that `putJson` wrote, with the ETag to write it again; undefined when there is no
   * such key. `MESH_BAD_REQUEST` when the value is not JSON.
   */
  async getJson<Body>(
    key: string,
    options: Options = {},
  ): Promise<{ readonly body: Body; readonly etag: string } | undefined> {
    const entry = await this.get(key, options);
    if (entry === undefined) return undefined;
    try {
      const body = JSON.parse(Buffer.from(entry.value).toString("utf8")) as Body;
      return { body, etag: entry.etag };
    } catch (cause) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: `the value of ${JSON.stringify(key)} is not JSON`,
        hint: "Read it with get.",
        cause,
      });
    }
  }

  /** `MESH_STORE_VALUE_TOO_LARGE` above 1 MiB, before anything is sent. */
  async put(key: string, value: Value, options: PutOptions = {}): Promise<KeyRecord> {
    const { ttlMs, leaseId, ifMatch, ifAbsent, fence, signal } = options;
    const body = checkedValue(value);
    const query = { ttl: durationOf(ttlMs), lease: leaseId, ...fenceQuery(fence) };
    const answer = await this.#send({
      method: "PUT",
      path: `${keyPath(key)}${queryOf(query)}`,
      headers: {
        "content-type": "application/octet-stream",
        "content-length": String(body.length),
        ...(ifMatch === undefined ? {} : { "if-match": ifMatchHeader(ifMatch) }),
        ...(ifAbsent === true ? { "if-none-match": "*" } : {}),
      },
      body,
      signal,
    });
    const written = await readJson<KvWriteResponse>(answer);
    return entryOf({ ...written, modRevision: written.revision });
  }

  putJson(key: string, body: unknown, options: PutOptions = {}): Promise<KeyRecord> {
    return this.put(key, JSON.stringify(body), options);
  }

  /** False when there was no such key. */
  async delete(
    key: string,
    options: Options & { readonly ifMatch?: string } = {},
  ): Promise<boolean> {
    const { ifMatch, signal } = options;
    const headers: Record<string, string> =
      ifMatch === undefined ? {} : { "if-match": ifMatchHeader(ifMatch) };
    try {
      const request = { method: "DELETE", path: keyPath(key), headers, signal };
      const { deleted } = await readJson<KvDeleteResponse>(await this.#send(request));
      return deleted > 0;
    } catch (error) {
      if (isMeshError(error, "MESH_KV_NOT_FOUND")) return false;
      throw error;
    }
  }

  /** All keys with a prefix that ends with `/` (or is empty), in one transaction. Their number. */
  async deletePrefix(prefix: string, options: Options = {}): Promise<number> {
    const path = `/api/kv${queryOf({ prefix })}`;
    const request = { method: "DELETE", path, signal: options.signal };
    return (await readJson<KvDeleteResponse>(await this.#send(request))).deleted;
  }

  /** In the order of the keys' bytes, all pages at one revision. Values too, unless `keysOnly`. */
  async *list(
    prefix = "",
    options: ListOptions = {},
  ): AsyncGenerator<KeyRecord & { readonly value?: Uint8Array }, void, undefined> {
    let { revision, limit = Number.POSITIVE_INFINITY } = options;
    let after: string | undefined;
    for (;;) {
      const pageLimit = Math.min(limit, limits.LIST_PAGE_ENTRIES_MAX);
      const page = await this.listPage(prefix, { ...options, ...{ revision, after }, pageLimit });
      yield* page.entries;
      limit -= page.entries.length;
      after = page.entries.at(-1)?.key;
      if (!page.more || after === undefined || limit <= 0) return;
      revision = page.revision;
    }
  }

  /** One page after the key `after`; it may be shorter than `pageLimit` (at most 1,000). */
  async listPage(
    prefix: string,
    options: Options & {
      readonly keysOnly?: boolean;
      readonly revision?: number | undefined;
      readonly after?: string | undefined;
      readonly pageLimit?: number;
    } = {},
  ): Promise<KeyValuePage> {
    const { keysOnly, revision, after, pageLimit: limit, signal } = options;
    const values = keysOnly === true ? "false" : "true";
    const path = `/api/kv${queryOf({ prefix, after, limit, values, revision })}`;
    const answer = await this.#send({ method: "GET", path, signal });
    const page = await readJson<KvListResponse>(answer);
    return { ...page, entries: page.entries.map(entryOf) };
  }

  /** Changes as they come, in order, without gaps. See `key-value-watch.ts` for how it ends. */
  watch(
    range: WatchRange,
    options: WatchOptions = {},
  ): AsyncGenerator<KeyValueChange, void, undefined> {
    return watchKeys(this.#tools, range, options);
  }

  /** Compares, then writes and reads, all at once. */
  async transaction(transaction: Transaction, options: Options = {}): Promise<TransactionAnswer> {
    const answer = await this.#sendJson(
      "POST",
      "/api/kv-transactions",
      transactionRequest(transaction),
      options,
    );
    const done = await readJson<KvTransactionResponse>(answer);
    return { ...done, results: done.results.map(resultOf) };
  }

  /** Several keys may live with it; it ends after `ttlMs` unless it is kept alive. */
  async grantLease(ttlMs: number, options: Options = {}): Promise<Lease> {
    const ttl = durationOf(ttlMs);
    const answer = await this.#sendJson("POST", "/api/kv-leases", { ttl }, options);
    return (await readJson<KvLeaseResponse>(answer)).lease;
  }

  /** Its time starts anew. */
  async keepLeaseAlive(leaseId: number, options: Options = {}): Promise<Lease> {
    const path = `/api/kv-leases/${leaseId}/keep-alive`;
    const answer = await this.#sendJson("POST", path, undefined, options, true);
    return (await readJson<KvLeaseResponse>(answer)).lease;
  }

  /** Its keys are deleted at once. */
  async revokeLease(leaseId: number, options: Options = {}): Promise<void> {
    await readJson(await this.#sendJson("DELETE", `/api/kv-leases/${leaseId}`, undefined, options));
  }

  /** The caller's own; everybody's for the operator. */
  async leases(options: Options = {}): Promise<readonly Lease[]> {
    const request = { method: "GET", path: "/api/kv-leases", signal: options.signal };
    return (await readJson<KvLeasesResponse>(await this.#send(request))).leases;
  }

  #sendJson(
    method: string,
    path: string,
    body: object | undefined,
    { signal }: Options,
    isRepeatable?: boolean,
  ): Promise<HttpAnswer> {
    return this.#send({
      method,
      path,
      signal,
      ...(isRepeatable === undefined ? {} : { isRepeatable }),
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
  }

  #send(request: HttpRequest): Promise<HttpAnswer> {
    return this.#tools.door.send({ idleTimeoutMs: CALL_IDLE_TIMEOUT_MS, ...request });
  }
}

function checkedValue(value: Value): Uint8Array {
  const bytes = bytesOf(value);
  if (bytes.length <= VALUE_BYTES_MAX) return bytes;
  throw new MeshError("MESH_STORE_VALUE_TOO_LARGE", {
    message: `the value has ${bytes.length} bytes; ${VALUE_BYTES_MAX} are allowed`,
    hint: "Keep it as a file and its path as the value.",
  });
}
