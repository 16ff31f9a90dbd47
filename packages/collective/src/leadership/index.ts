/** Several coordinators of one member: who leads, and how the others pass on what it decides. */
export { CoordinatorSeat, type CoordinatorSeatOptions } from "./coordinator-seat.js";
export { type CoordinatorView, requireCoordinator } from "./coordinator-wire.js";
export { FileReader, type FileReaderOptions } from "./file-reader.js";
export {
  type Leader,
  type LeaderData,
  type Leadership,
  type LeadershipState,
  leaderNamedBy,
  notLeading,
  soleLeadership,
} from "./leadership.js";
