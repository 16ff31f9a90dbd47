/** Who holds which of the 8,192 virtual columns of a ring. */
import { MeshError } from "@hearthmesh/core";
import { apportion, spansOf } from "./apportion.js";
import { RING_COLUMNS, type Span } from "./shard.js";

/**
 * One span per capacity, in the same order, next to each other; together they cover 0 to 8,191
 * exactly once. Capacities are whole numbers from 0; 0 gives an empty span, any other at least one
 * column. A larger capacity never gets fewer columns than a smaller one, and who raises its own
 * never gets fewer than before. No capacities: no spans.
 *
 * `MESH_BAD_REQUEST` for other numbers, when all are 0, and for more members than columns.
 */
export function columnsOf(capacities: readonly number[]): Span[] {
  if (capacities.length === 0) return [];
  const wrong = capacities.find((value) => !Number.isSafeInteger(value) || value < 0);
  if (wrong !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${wrong} is not a capacity`,
      hint: "A capacity is a whole number from 0.",
    });
  }
  const holders = capacities.filter((value) => value > 0).length;
  if (holders === 0 || holders > RING_COLUMNS) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${holders} members with a capacity cannot share ${RING_COLUMNS} columns`,
      hint: `A ring has 1 to ${RING_COLUMNS} members with a capacity above 0.`,
    });
  }
  return spansOf(apportion(RING_COLUMNS, capacities, 1), 1, RING_COLUMNS);
}
