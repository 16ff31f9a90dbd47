/**
 * `@hearthmesh/healing`: what breaks is noticed, mended when it can be, and told. Monitors look at
 * one thing each; the machine turns what they saw into symptoms, ranks remedies against them by
 * past success, cost and risk, and follows each one until it is verified. It knows nothing of
 * links, disks or stores: the node hands in monitors, remedies and what is to be remembered.
 *
 * @packageDocumentation
 */
export type * from "./fact.js";
export type * from "./gates-record.js";
export { Healer, type HealerOptions } from "./healer.js";
export type * from "./healer-service.js";
export * from "./incident.js";
export { spareIncidents } from "./kept-incidents.js";
export type * from "./knowledge.js";
export * as healingLimits from "./limits.js";
export type * from "./remedy.js";
export * from "./symptom.js";
export * from "./symptom-catalogue.js";
