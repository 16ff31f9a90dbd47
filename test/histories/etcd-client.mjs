/** The engine on etcd as a client of a recording opens it. */
import { silentLogger, systemRandom } from "@hearthmesh/core";
import { openEtcdStore } from "@hearthmesh/store";

const PREFIX = "/history/";

/** The first endpoint is the one that this client asks as long as it answers. */
export function openEtcdForClient({ endpoints, tls, requestTimeoutMs }, clock) {
  const random = systemRandom();
  const log = silentLogger;
  const trust = tls === undefined ? {} : { tls: () => tls };
  const options = { endpoints, keyPrefix: PREFIX, requestTimeoutMs, clock, random, log };
  return openEtcdStore({ ...options, ...trust });
}
