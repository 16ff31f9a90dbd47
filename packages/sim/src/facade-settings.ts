/** What simulated servers and clients are configured with, and what they need of their harness. */
import type { LinkIdentity } from "@hearthmesh/qwormhole";
import type { MessageChecker } from "./checkers/message-checker.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Trace } from "./trace.js";
import type { Violations } from "./violations.js";
import type { VirtualClock } from "./virtual-clock.js";
import type { VirtualNetwork } from "./virtual-network.js";

export const PORT = 9000;
/** What both sides are configured with; small, so that every limit is met. */
export const FACADE_LIMITS = {
  handshakeTimeoutMs: 2000,
  pingIntervalMs: 1000,
  deadAfterMs: 3000,
  limits: { highWaterBytes: 16_000, messageBytesMax: 32_000, queueBytesMax: 256_000 },
  channels: {
    rpc: { queueMessagesMax: 30 },
    gossip: { whenFull: "drop-oldest", queueMessagesMax: 20 },
  },
} as const;

/** How long a message waits for a connection. */
export const QUEUE_WAIT_MS = 4000;

export const RECONNECT = {
  initialDelayMs: 500,
  maxDelayMs: 4000,
  multiplier: 2,
  stableAfterMs: 3000,
};
export const FAIL_BACK_MS = 5000;

export interface FacadeHarness {
  readonly random: SeededRandom;
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly network: VirtualNetwork;
  readonly violations: Violations;
  readonly messages: MessageChecker;
  /** A machine keeps its key when its process is started again. */
  identity(name: string): LinkIdentity;
  /** A request that may not be done twice was done. */
  noteDone(request: string): void;
  /** A server's process died without a word. */
  noteDeath(process: string): void;
  /** When it did. */
  deathMs(process: string): number | undefined;
}
