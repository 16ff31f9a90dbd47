/**
 * `@hearthmesh/qwormhole/testing`: the contract that every transport passes, and throwaway
 * certificates.
 *
 * @packageDocumentation
 */
export * from "./certificates.js";
export * from "./link-pair.js";
export * from "./manual-clock.js";
export * from "./transport-contract.js";
