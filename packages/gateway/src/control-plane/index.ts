/**
 * `@hearthmesh/gateway/control-plane`: the HTTP port of `mesh-control-plane`, on Node's own server.
 *
 * @packageDocumentation
 */
export {
  type ControlPlaneAgent,
  ControlPlaneDoor,
  type ControlPlaneOptions,
} from "./control-plane-door.js";
export { ENROLMENT_UPGRADE } from "./enrolment-tunnel.js";
export type { JobAnswer, JobView } from "./job-book.js";
