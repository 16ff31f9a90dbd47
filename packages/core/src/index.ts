/**
 * `@hearthmesh/core`: what every other package may use. No network, no disk, no state.
 *
 * @packageDocumentation
 */
export * from "./clock.js";
export * from "./disk.js";
export * from "./encoding.js";
export * from "./errors.js";
export * from "./ids.js";
export * as limits from "./limits.js";
export * from "./link-errors.js";
export * from "./log.js";
export * from "./message-codec.js";
export * from "./printable.js";
export * from "./random.js";
export * from "./startable.js";
export * from "./system.js";
export * from "./units.js";
export * from "./unsent.js";
