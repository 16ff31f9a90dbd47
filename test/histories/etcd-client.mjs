/** The engine on etcd as a client of a recording opens it. */
import { silentLogger, systemRandom } from "@hearthmesh/core";
import { openEtcdStore } from "@hearthmesh/store";

/** The first endpoint is the one that this client asks as long as it answers. */
export function openEtcdForClient({ endpoints, requestTimeoutMs }, clock) {
  const random = systemRandom();
  return openEtcdStore({ endpoints, requestTimeoutMs, clock, random, log: silentLogger });
}
