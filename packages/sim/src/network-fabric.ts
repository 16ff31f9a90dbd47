/** What connections and transports need of the network that they are part of. */
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import type { VirtualClock } from "./virtual-clock.js";
import type { VirtualHost } from "./virtual-host.js";
import type { VirtualPath } from "./virtual-path.js";

export interface NetworkFabric {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly trace: Trace | undefined;
  host(name: string): VirtualHost;
  path(from: string, to: string): VirtualPath;
}
