/**
 * `@hearthmesh/gateway/contracts`: the shapes of the HTTP API as zod schemas with their types of
 * the same name. For a request, the type is what a caller sends; the schema fills in the defaults.
 *
 * ```ts
 * import { ENDPOINTS, StatusResponse } from "@hearthmesh/gateway/contracts";
 * const status = StatusResponse.parse(await (await fetch(base + ENDPOINTS.status.path)).json());
 * ```
 *
 * Shapes of several fields are made at their first use (`z.lazy`): a daemon holds the contracts for
 * as long as it runs, and most of them are never asked for. A parameter that is the rest of a path
 * stands as it is, since the OpenAPI document gives it a name.
 *
 * @packageDocumentation
 */
export * from "./ai-endpoints.js";
export * from "./backup.js";
export * from "./common.js";
export * from "./coordinators.js";
export * from "./copies.js";
export type * from "./endpoint.js";
export * from "./endpoints.js";
export * from "./events.js";
export * from "./files.js";
export * from "./fsck.js";
export * from "./grants.js";
export * from "./healing.js";
export * from "./inference.js";
export * from "./key-value.js";
export * from "./keys.js";
export * from "./layout.js";
export * from "./locks.js";
export * from "./mesh.js";
export * from "./models.js";
export * from "./openai.js";
export * from "./peers.js";
export * from "./pools.js";
export * from "./rings.js";
export * from "./services.js";
export * from "./status.js";
export * from "./store.js";
export * from "./trash.js";
export * from "./trust.js";
export * from "./workers.js";
