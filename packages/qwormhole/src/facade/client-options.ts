/** What a client makes of its options before it dials. Throws `QW_OPTIONS_INVALID`. */
import type { Address } from "../transport.js";
import {
  atLeast,
  checkPort,
  invalid,
  type QWormholeClientOptions,
  type SharedOptions,
} from "./options.js";
import type { ReconnectConfig } from "./reconnect.js";

/** Each is tried in a round of dials; more are a mistake. */
const ENDPOINTS_MAX = 64;

export type ClientSettings = Pick<
  QWormholeClientOptions<never>,
  "host" | "port" | "endpoints" | "failBackMs" | "reconnect" | "queueWaitMs" | "connectTimeoutMs"
> &
  SharedOptions;

export function clientEndpoints(options: ClientSettings): readonly Address[] {
  const { host, port, endpoints } = options;
  if (endpoints !== undefined && (host !== undefined || port !== undefined)) {
    throw invalid("`endpoints` stands instead of `host` and `port`, not beside them");
  }
  const all = endpoints ?? [{ host: host ?? "127.0.0.1", port: port ?? Number.NaN }];
  if (all.length === 0 || all.length > ENDPOINTS_MAX) {
    throw invalid(`\`endpoints\` holds ${all.length}; it takes 1 to ${ENDPOINTS_MAX}`);
  }
  for (const endpoint of all) {
    checkPort(endpoint.port, 1);
    if (typeof endpoint.host !== "string" || endpoint.host === "") {
      throw invalid("an endpoint has no `host`");
    }
  }
  return all.map(({ host: name, port: number }) => ({ host: name, port: number }));
}

export function reconnectConfig(options: ClientSettings, endpointCount: number): ReconnectConfig {
  const { reconnect = {}, failBackMs = 30_000 } = options;
  const { enabled = true, initialDelayMs = 250, multiplier = 2, maxAttempts = 0 } = reconnect;
  const { maxDelayMs = Math.max(30_000, initialDelayMs), stableAfterMs = 5000 } = reconnect;
  atLeast("reconnect.initialDelayMs", initialDelayMs, 0);
  atLeast("reconnect.maxDelayMs", maxDelayMs, initialDelayMs);
  atLeast("reconnect.multiplier", multiplier, 1);
  atLeast("reconnect.maxAttempts", maxAttempts, 0);
  atLeast("reconnect.stableAfterMs", stableAfterMs, 0);
  atLeast("failBackMs", failBackMs, 0);
  atLeast("queueWaitMs", options.queueWaitMs, 0);
  atLeast("connectTimeoutMs", options.connectTimeoutMs, 1);
  return {
    endpointCount,
    enabled,
    retryFirst: enabled && options.reconnect !== undefined,
    initialDelayMs,
    maxDelayMs,
    multiplier,
    maxAttempts,
    stableAfterMs,
    failBackMs,
  };
}
