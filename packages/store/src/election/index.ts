/** The election of a leader on any store, and the store that only a leader may write to. */
export {
  type ElectedLeader,
  Election,
  type ElectionOptions,
  type ElectionState,
} from "./election.js";
export { type FencedStoreOptions, fencedStore } from "./fenced-store.js";
export { ELECTION_EPOCH_KEY, ELECTION_LEADER_KEY } from "./leader-record.js";
export { raiseEpoch } from "./raise-epoch.js";
