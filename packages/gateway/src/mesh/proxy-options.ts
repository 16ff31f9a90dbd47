/** What the proxy needs, and what a request names. */
import type { Clock, Logger, Random } from "@hearthmesh/core";
import type { ServiceAccess } from "@hearthmesh/membership";

export interface ServiceProxyOptions {
  readonly access: Pick<ServiceAccess, "resolve" | "openConnection">;
  /** This node in `Via`; unique in the mesh, such as its name with a part of its id. */
  readonly pseudonym: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Silence of a service before its answer begins. Default 60 s. */
  readonly firstByteMs?: number;
}

export interface ProxyTarget {
  /** A service, capability or node; see `ServiceAccess.resolve`. */
  readonly target: string;
  /** For the service, in origin form with the query: `/v1/models?limit=3`. */
  readonly path: string;
  /** Who asks, for the service's own log: `X-Mesh-Principal`. */
  readonly principal?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}
