/** Whether the condition of a transaction holds. */
import type { Compare, KeyValue } from "./types.js";

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** `entry` is what the key holds now; a missing key counts as 0 and equals no value. */
export function compareHolds(compare: Compare, entry: KeyValue | undefined): boolean {
  if (compare.target === "value") {
    const equal = entry !== undefined && sameBytes(entry.value, compare.value);
    return compare.is === "=" ? equal : !equal;
  }
  const actual = entry === undefined ? 0 : entry[compare.target];
  switch (compare.is) {
    case "=":
      return actual === compare.value;
    case "!=":
      return actual !== compare.value;
    case ">":
      return actual > compare.value;
    case "<":
      return actual < compare.value;
  }
}
