/**
 * Pages of a range. etcd limits a page by entries only, so it is read in parts whose sizes follow
 * what the values turn out to be; all parts are of one revision.
 */
import { isMeshError, limits } from "@hearthmesh/core";
import type { KeyRange, KeyValue, RangeResult } from "../types.js";
import type { EtcdClient } from "./etcd-client.js";
import { RANGE_ATTEMPTS_MAX, RANGE_CHUNK_BYTES, RANGE_CHUNK_ENTRIES } from "./etcd-limits.js";
import { type KeySpace, safe, type WireRange } from "./key-space.js";
import { type RangeRequest, type RangeResponse, SORT_DESCENDING } from "./messages.js";

export interface RangeQuery {
  readonly limit: number;
  readonly reverse: boolean;
  readonly keysOnly: boolean;
  /** Nothing reads the present. */
  readonly revision: number | undefined;
}

/** Ends at `limit` entries or at `STORE_RANGE_BYTES_MAX`, but never before one entry. */
export async function readRange(
  client: EtcdClient,
  keys: KeySpace,
  range: KeyRange,
  query: RangeQuery,
): Promise<RangeResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await new PageReader(client, keys, query).read(keys.rangeOf(range));
    } catch (error) {
      // The present moved on and was compacted between two parts: read the new present.
      const again = query.revision === undefined && attempt < RANGE_ATTEMPTS_MAX;
      if (!again || !isMeshError(error, "MESH_STORE_COMPACTED")) throw error;
    }
  }
}

class PageReader {
  readonly #client: EtcdClient;
  readonly #keys: KeySpace;
  readonly #query: RangeQuery;
  readonly #entries: KeyValue[] = [];
  #bytes = 0;

  constructor(client: EtcdClient, keys: KeySpace, query: RangeQuery) {
    this.#client = client;
    this.#keys = keys;
    this.#query = query;
  }

  async read(range: WireRange): Promise<RangeResult> {
    const { limit, keysOnly } = this.#query;
    let { revision } = this.#query;
    let rest = range;
    let wanted = keysOnly ? limit : Math.min(limit, RANGE_CHUNK_ENTRIES);
    for (;;) {
      const answer = await this.#ask(rest, wanted, revision);
      revision ??= safe(answer.header?.revision ?? 0);
      const full = this.#take(answer);
      const lastKey = answer.kvs.at(-1)?.key;
      if (full || !answer.more || lastKey === undefined || this.#entries.length >= limit) {
        return { entries: this.#entries, more: full || answer.more, revision };
      }
      rest = this.#after(rest, lastKey);
      wanted = this.#nextPart();
    }
  }

  #ask(range: WireRange, limit: number, revision: number | undefined): Promise<RangeResponse> {
    const request: RangeRequest = { ...range, limit, keysOnly: this.#query.keysOnly };
    if (revision !== undefined) request.revision = revision;
    if (this.#query.reverse) request.sortOrder = SORT_DESCENDING;
    return this.#client.call(this.#client.protocol.methods.range, request, "repeatable");
  }

  /** True when the page is full before all of the answer is in it. */
  #take(answer: RangeResponse): boolean {
    for (const wire of answer.kvs) {
      const entry = this.#keys.entryOf(wire);
      this.#bytes += Buffer.byteLength(entry.key, "utf8") + entry.value.length;
      if (this.#entries.length > 0 && this.#bytes > limits.STORE_RANGE_BYTES_MAX) return true;
      this.#entries.push(entry);
    }
    return false;
  }

  #after(range: WireRange, lastKey: Buffer): WireRange {
    if (this.#query.reverse) return { ...range, rangeEnd: lastKey };
    return { ...range, key: Buffer.concat([lastKey, Buffer.alloc(1)]) };
  }

  /** As many as would hold `RANGE_CHUNK_BYTES` if they were like those so far. */
  #nextPart(): number {
    const count = this.#entries.length;
    const average = Math.max(1, this.#bytes / Math.max(1, count));
    const fitting = Math.max(RANGE_CHUNK_ENTRIES, Math.floor(RANGE_CHUNK_BYTES / average));
    return Math.min(this.#query.limit - count, fitting);
  }
}
