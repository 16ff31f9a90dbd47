/** Pages of a range, now or in the past, read in chunks so that large values do not pile up. */
import { limits } from "@hearthmesh/core";
import type { KeyBounds } from "../keys.js";
import type { KeyValue, RangeResult } from "../types.js";
import type { SqlRow } from "./driver.js";
import { decodeEntry, entryColumns, headColumns, lastChangeOf } from "./rows.js";
import { boundParameters, type Tables, whereInBounds } from "./tables.js";

/** Rows of the first chunk; the next ones grow while the values turn out to be small. */
const CHUNK_ROWS_FIRST = 64;
const CHUNK_ROWS_MAX = 4096;
const CHUNK_GROWTH = 4;

export interface RangeQuery {
  readonly limit: number;
  readonly reverse: boolean;
  readonly keysOnly: boolean;
  /** Nothing reads the present. */
  readonly pastRevision: number | undefined;
}

/** Ends at `limit` entries or at `STORE_RANGE_BYTES_MAX`, but never before one entry. */
export function readRange(
  tables: Tables,
  bounds: KeyBounds,
  query: RangeQuery,
): Pick<RangeResult, "entries" | "more"> {
  const entries: KeyValue[] = [];
  let bytes = 0;
  let rest = bounds;
  let chunkRows = CHUNK_ROWS_FIRST;
  for (;;) {
    const wanted = Math.min(chunkRows, query.limit + 1 - entries.length);
    const rows = selectRows(tables, rest, query, wanted);
    for (const row of rows) {
      if (entries.length === query.limit) return { entries, more: true };
      const entry = decodeEntry(row);
      bytes += Buffer.byteLength(entry.key, "utf8") + entry.value.length;
      if (entries.length > 0 && bytes > limits.STORE_RANGE_BYTES_MAX)
        return { entries, more: true };
      entries.push(entry);
    }
    const last = entries.at(-1);
    if (rows.length < wanted || last === undefined) return { entries, more: false };
    rest = after(rest, last.key, query.reverse);
    if (bytes < limits.STORE_RANGE_BYTES_MAX / (2 * CHUNK_GROWTH)) {
      chunkRows = Math.min(chunkRows * CHUNK_GROWTH, CHUNK_ROWS_MAX);
    }
  }
}

/** What is left behind a key; no key lies between it and itself with U+0001, as none holds NUL. */
function after(bounds: KeyBounds, key: string, reverse: boolean): KeyBounds {
  return reverse ? { ...bounds, end: key } : { ...bounds, start: `${key}\u0001` };
}

function selectRows(
  tables: Tables,
  bounds: KeyBounds,
  { pastRevision, reverse, keysOnly }: RangeQuery,
  limit: number,
): readonly SqlRow[] {
  const columns = keysOnly ? headColumns("c") : entryColumns("c");
  const order = reverse ? "DESC" : "ASC";
  if (pastRevision === undefined) {
    const sql = `SELECT ${columns} FROM live l CROSS JOIN change c ON c.id = l.id
      WHERE ${whereInBounds("l.key", bounds)} ORDER BY l.key ${order} LIMIT ?`;
    return tables.statement(sql).all(...boundParameters(bounds), limit);
  }
  // The last version of each key up to then; walks the index in order and stops at the limit.
  const sql = `SELECT ${columns} FROM change c INDEXED BY change_by_key
    WHERE ${whereInBounds("c.key", bounds)} AND c.id <= ? AND c.version > 0 AND NOT EXISTS (
      SELECT 1 FROM change n INDEXED BY change_by_key
      WHERE n.key = c.key AND n.id > c.id AND n.id <= ?
    ) ORDER BY c.key ${order} LIMIT ?`;
  const lastId = lastChangeOf(pastRevision);
  return tables.statement(sql).all(...boundParameters(bounds), lastId, lastId, limit);
}
