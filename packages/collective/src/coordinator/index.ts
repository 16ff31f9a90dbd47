/**
 * The coordinator: the namespace of a member, uploads, small files, nodes and layout, and the
 * background work that keeps every chunk at its replicas and nothing else on the disks.
 *
 * Start reading with `keys.ts` (what is stored), `coordinator.ts` (what is served) and
 * `workers/garbage.ts` (why nothing is lost).
 */
export type { AccessPolicy } from "./access.js";
export type { ChunkProbeAnswer } from "./chunk-probe.js";
export { type CallOptions, Coordinator } from "./coordinator.js";
export {
  type CoordinatorIntervals,
  type CoordinatorOptions,
  type CoordinatorStatus,
  DEFAULT_INTERVALS,
} from "./coordinator-options.js";
export type { FsckFinding, FsckKind, FsckReport, FsckState } from "./fsck/fsck-report.js";
export type { DrainAnswer, LayoutOverview } from "./layout-desk.js";
export type { LayoutPreview } from "./layout-preview.js";
export type { ReliefAnswer } from "./layout-relief.js";
export { type MeshPath, parsePath } from "./paths.js";
export type { QuotaOffer, QuotaTerms } from "./quota-ledger.js";
export type { RemovalFacts } from "./removal-check.js";
export type { TrashEntry, TrashPage } from "./trash.js";
export type { Totals } from "./usage.js";
export type { ReplicationState } from "./workers/replication-tally.js";
export type { Worker, WorkerInspection, WorkerState } from "./workers/worker.js";
export type { Progress, WorkerDefinition, WorkerSettings } from "./workers/worker-definition.js";
export type { WorkerListResponse, WorkerRunResponse } from "./workers/worker-methods.js";
export type { WorkerChange } from "./workers/worker-records.js";
