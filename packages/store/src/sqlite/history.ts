/** The log of changes: read forward for watches, and tidied behind the compacted revision. */
import type { KeyBounds } from "../keys.js";
import type { StoreEvent, WatchBatch } from "../types.js";
import type { WatchPage } from "../watch-hub.js";
import type { SqlRow } from "./driver.js";
import {
  decodeEntry,
  ENTRY_COLUMNS,
  entryColumns,
  firstChangeOf,
  integer,
  lastChangeOf,
  revisionOf,
} from "./rows.js";
import { CHANGES_PER_REVISION } from "./schema.js";
import { boundParameters, type Tables, whereInBounds } from "./tables.js";
import type { WriteBatch } from "./write-batch.js";

/** Events that a watcher takes at a time, unless one transaction made more. */
const WATCH_PAGE_EVENTS = 64;
/** Changes tidied in one step, beside two for each one written; and their bytes. */
const CLEANING_STEP_CHANGES = 64;
const CLEANING_STEP_BYTES = 8 << 20;

/** As `WatchSource.readBatches`; a transaction's batch is never split. */
export function readBatches(
  tables: Tables,
  bounds: KeyBounds,
  fromRevision: number,
  lastRevision: number,
): WatchPage {
  const limit = WATCH_PAGE_EVENTS + 1;
  const rows = readEvents(tables, bounds, fromRevision, lastRevision, limit);
  const lastRow = rows.at(-1);
  if (rows.length < limit || lastRow === undefined) {
    return { batches: toBatches(rows), nextRevision: lastRevision + 1 };
  }
  const cutRevision = revisionOf(integer(lastRow[0]));
  const whole = rows.filter((row) => revisionOf(integer(row[0])) < cutRevision);
  if (whole.length > 0) return { batches: toBatches(whole), nextRevision: cutRevision };
  const large = readEvents(tables, bounds, cutRevision, cutRevision, CHANGES_PER_REVISION);
  return { batches: toBatches(large), nextRevision: cutRevision + 1 };
}

function readEvents(
  tables: Tables,
  bounds: KeyBounds,
  fromRevision: number,
  toRevision: number,
  limit: number,
): readonly SqlRow[] {
  const sql = `SELECT ${entryColumns("c")}, ${entryColumns("p")}
    FROM change c NOT INDEXED LEFT JOIN change p ON p.id = c.previous_id
    WHERE c.id >= ? AND c.id <= ? AND ${whereInBounds("c.key", bounds)} ORDER BY c.id LIMIT ?`;
  return tables
    .statement(sql)
    .all(firstChangeOf(fromRevision), lastChangeOf(toRevision), ...boundParameters(bounds), limit);
}

function toBatches(rows: readonly SqlRow[]): WatchBatch[] {
  const batches: { revision: number; events: StoreEvent[] }[] = [];
  for (const row of rows) {
    const event = toEvent(row);
    const revision = event.type === "put" ? event.entry.modRevision : event.modRevision;
    const last = batches.at(-1);
    if (last?.revision === revision) last.events.push(event);
    else batches.push({ revision, events: [event] });
  }
  return batches;
}

function toEvent(row: SqlRow): StoreEvent {
  const entry = decodeEntry(row);
  const hasPrevious = row[ENTRY_COLUMNS.length] !== null;
  const previous = hasPrevious ? decodeEntry(row, ENTRY_COLUMNS.length) : undefined;
  if (entry.version > 0) return { type: "put", entry, previous };
  return { type: "delete", key: entry.key, modRevision: entry.modRevision, previous };
}

export interface HistoryLimits {
  readonly revisionsMax: number;
  readonly bytesMax: number;
}

/**
 * One small step of compaction, in the SQLite transaction of a batch. A change that is compacted
 * makes the version before it unreadable, so that one is deleted; a deletion goes itself. When the
 * history is over its limits, the compacted revision moves up as far as the step gets.
 * Answers whether more is left to do.
 */
export function tidyHistory(tables: Tables, batch: WriteBatch, bounds: HistoryLimits): boolean {
  const { state } = batch;
  const isOver = () =>
    state.revision - state.compactedRevision > bounds.revisionsMax ||
    state.historyBytes > bounds.bytesMax;
  if (!isOver() && state.cleanedId >= lastChangeOf(state.compactedRevision)) return false;
  const before = { ...state };
  const lastRevision = isOver() ? state.revision - 1 : state.compactedRevision;
  const limit =
    CLEANING_STEP_CHANGES + 2 * batch.changes.reduce((n, { keys }) => n + keys.length, 0);
  const rows = nextChanges(tables, state.cleanedId, lastRevision, limit);
  let bytes = 0;
  let done = 0;
  for (const row of rows) {
    const isDue = revisionOf(integer(row[0])) <= state.compactedRevision || isOver();
    if (!isDue || bytes > CLEANING_STEP_BYTES) break;
    bytes += integer(row[3]) + integer(row[4]);
    tidyChange(tables, batch, row);
    done++;
  }
  const next = rows[done];
  const reachedEnd =
    next === undefined
      ? rows.length < limit
      : revisionOf(integer(next[0])) > state.compactedRevision;
  if (reachedEnd) state.cleanedId = lastChangeOf(state.compactedRevision);
  if (state.cleanedId !== before.cleanedId) tables.setMeta("cleaned_id", state.cleanedId);
  if (state.compactedRevision !== before.compactedRevision) {
    tables.setMeta("compacted_revision", state.compactedRevision);
  }
  return isOver() || state.cleanedId < lastChangeOf(state.compactedRevision);
}

/** Rows of: id, previous id, version, bytes of the change, bytes of the one before. */
function nextChanges(
  tables: Tables,
  afterId: number,
  lastRevision: number,
  limit: number,
): readonly SqlRow[] {
  return tables
    .statement(
      `SELECT c.id, c.previous_id, c.version, octet_length(c.key) + length(c.value),
         coalesce(length(p.value), 0)
       FROM change c LEFT JOIN change p ON p.id = c.previous_id
       WHERE c.id > ? AND c.id <= ? ORDER BY c.id LIMIT ?`,
    )
    .all(afterId, lastChangeOf(lastRevision), limit);
}

function tidyChange(tables: Tables, batch: WriteBatch, row: SqlRow): void {
  const [id, previousId, version, bytes] = row.map(integer);
  const remove = tables.statement("DELETE FROM change WHERE id = ?");
  batch.writes++;
  if (previousId !== undefined && previousId !== 0) remove.run(previousId);
  if (version === 0) remove.run(integer(id));
  const { state } = batch;
  state.cleanedId = integer(id);
  state.historyBytes -= bytes ?? 0;
  state.compactedRevision = Math.max(state.compactedRevision, revisionOf(state.cleanedId));
}
