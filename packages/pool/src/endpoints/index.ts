/** Whole-request members by themselves, for nodes that never run a model. */
export { MeshEndpoints, type MeshEndpointsOptions } from "./mesh-endpoints.js";
export type { EndpointNode } from "./remote-endpoints.js";
