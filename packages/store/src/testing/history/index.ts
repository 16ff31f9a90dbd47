/** Recorded histories: their format, and the checker of them. `docs/histories.md` explains both. */
export { callsOf } from "./calls.js";
export { type CheckOptions, checkHistory, WATCH_LATE } from "./check-history.js";
export type * from "./format.js";
export { HISTORY_FORMAT, HISTORY_NAME } from "./format.js";
export { parseHistory, readHistory, writeHistory } from "./history-file.js";
export type { CheckReport, Problem, Verdict } from "./verdict.js";
export { reportLines } from "./words.js";
