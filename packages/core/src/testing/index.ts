/** What the tests of all packages need. */
export * from "./manual-clock.js";
