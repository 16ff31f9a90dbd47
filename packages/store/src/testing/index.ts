/**
 * `@hearthmesh/store/testing`: the conformance suite and the comparison with the model, for engines
 * in this package and elsewhere. Nothing here needs a particular test runner.
 *
 * @packageDocumentation
 */
export { storeConformance } from "./conformance.js";
export {
  EtcdCluster,
  EtcdProcess,
  type EtcdProcessOptions,
  isEtcdInstalled,
  whyNoEtcd,
} from "./etcd-process.js";
export type { ConformanceHarness, StoreUnderTest } from "./harness.js";
export * from "./history/index.js";
export { matchesModel } from "./model-check.js";
export { type PendingMessage, ScheduledStore } from "./scheduled-store.js";
export { StoppableClock } from "./stoppable-clock.js";
export { memorySubject, sqliteSubject } from "./subjects.js";
