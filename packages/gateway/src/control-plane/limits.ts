/** Every named maximum of the control plane, with its unit. */

/** Jobs that are remembered; the oldest that have ended are forgotten first. */
export const JOBS_KEPT_MAX = 256;
/** Jobs that wait for their turn. */
export const JOBS_WAITING_MAX = 64;
/** Jobs that the agent works on at a time; it has a queue of its own behind them. */
export const JOBS_RUNNING_MAX = 4;
export const JOB_REQUEST_BYTES_MAX = 256 * 1024;
/** From its start to its answer. */
export const JOB_MS_MAX = 600_000;
/** Tunnels to the enrolment door, in all and from one address. */
export const TUNNELS_MAX = 64;
export const TUNNELS_PER_ADDRESS_MAX = 8;
/** Both ways together: a certificate request and its answer have about 10 KiB. */
export const TUNNEL_BYTES_MAX = 1024 * 1024;
/** A machine may wait in one for its approval. */
export const TUNNEL_MS_MAX = 120_000;
/** Ports that are tried one after the other: 8080 to 8179. */
export const CONTROL_PORTS_TRIED = 100;
/** A pool id as it may stand in a path. */
export const POOL_ID_LENGTH_MAX = 128;
