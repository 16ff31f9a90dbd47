/** Recorded histories: their format, recording, and checking. `docs/histories.md` explains them. */
export { callsOf } from "./calls.js";
export { type CheckOptions, checkHistory, WATCH_LATE } from "./check-history.js";
export { ClientRun, type ClientRunOptions } from "./client-run.js";
export { FAULTS, type FaultName, faultPlan, type PlannedFault } from "./fault-plan.js";
export type * from "./format.js";
export { HISTORY_FORMAT, HISTORY_NAME } from "./format.js";
export { parseHistory, readHistory, writeHistory } from "./history-file.js";
export { JumpingClock } from "./jumping-clock.js";
export { HISTORY_EVENTS_MAX } from "./limits.js";
export type { RecordedStore } from "./perform.js";
export { type RemoteStore, type RemoteStoreOptions, remoteStore } from "./remote-store.js";
export { seededRandom } from "./seeded-random.js";
export { serveStore } from "./store-server.js";
export type { CheckReport, Problem, Verdict } from "./verdict.js";
export { reportLines } from "./words.js";
