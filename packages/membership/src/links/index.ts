/** The directory of links: by node, direct or through relays. */
export type { KnownLink, LinkOrigin } from "./link-choice.js";
export type { WayFailure } from "./link-failures.js";
export * from "./mesh-links.js";
