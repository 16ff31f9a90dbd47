/** Signed announcements, and the ways to every node that follow from them. */
export * from "./announcement.js";
export type { CarriedAnnouncement, StoreCounters } from "./announcement-store.js";
export type { OwnIdentity } from "./own-announcement.js";
export type * from "./route-events.js";
export * from "./route-graph.js";
export * from "./route-machine.js";
export * from "./route-runtime.js";
export * from "./route-table.js";
