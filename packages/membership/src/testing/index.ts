/**
 * `@hearthmesh/membership/testing`: a mesh of machines in one process under a virtual clock.
 *
 * @packageDocumentation
 */
export * from "./swim-network.js";
