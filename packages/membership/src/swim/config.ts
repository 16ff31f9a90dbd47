/**
 * The protocol's times. Three profiles; every number says why. A profile may be changed by parts.
 *
 * How long a crash goes unnoticed: a node is probed by somebody about once in `probeIntervalMs`
 * (each node probes one other in that time), is suspected `probeTimeoutMs` + `indirectTimeoutMs`
 * later, and is called dead after the suspicion.
 */
export interface SwimConfig {
  /** One node is probed in this time. */
  readonly probeIntervalMs: number;
  /**
   * For an answer to a direct ping, which is sent again after half of it, before others are asked
   * to try.
   */
  readonly probeTimeoutMs: number;
  /** For the others' answers, before the target is suspected. */
  readonly indirectTimeoutMs: number;
  /** How many others are asked. */
  readonly indirectChecks: number;
  /**
   * Suspicion lasts at least this long, and must be longer than a machine may be stalled without
   * being called dead.
   */
  readonly suspicionMinMs: number;
  /** And at most this, when nobody else suspects the same node (Lifeguard). */
  readonly suspicionMaxMs: number;
  /**
   * Suspicion of a node whose machine says that the process is gone: time to say otherwise, such as
   * after a restart at another port.
   */
  readonly goneSuspicionMs: number;
  /** Independent suspicions that bring it down to the least. */
  readonly suspicionConfirmations: number;
  /** News goes to some nodes this often, beside what probes carry. */
  readonly gossipIntervalMs: number;
  readonly gossipNodes: number;
  /** A piece of news is sent this many times log10 of the nodes + 1. */
  readonly retransmitFactor: number;
  /** Whole views are exchanged with one node in this time, which heals what gossip lost. */
  readonly syncIntervalMs: number;
  /** Who is dead or has left is remembered this long, so that old news does not bring it back. */
  readonly tombstoneMs: number;
  /** The local health multiplies the times by up to this + 1 (Lifeguard, "LHM"). */
  readonly healthMax: number;
}

/** A home or office network: a crash is known within 3 s, a stall of 2 s is none. */
export const SWIM_LAN: SwimConfig = {
  // Ten probes a second cost about 2 KB/s; a node among five is probed by somebody every 25 ms.
  probeIntervalMs: 100,
  // A hundred times a LAN's round trip, so that only a busy machine is late.
  probeTimeoutMs: 100,
  indirectTimeoutMs: 120,
  indirectChecks: 3,
  // 2 s for a stall, 0.1 s for a suspicion that was there before it, 0.15 s to say that it lives.
  suspicionMinMs: 2250,
  suspicionMaxMs: 6000,
  // Several round trips, and a process takes longer to start.
  goneSuspicionMs: 500,
  suspicionConfirmations: 2,
  gossipIntervalMs: 100,
  gossipNodes: 3,
  retransmitFactor: 4,
  syncIntervalMs: 5000,
  tombstoneMs: 60_000,
  healthMax: 8,
};

/** Across the internet: slower, for round trips of 300 ms and lost datagrams. */
export const SWIM_WAN: SwimConfig = {
  ...SWIM_LAN,
  probeIntervalMs: 1000,
  // A round trip around the world, and once more for a queue on the way.
  probeTimeoutMs: 700,
  indirectTimeoutMs: 1200,
  suspicionMinMs: 6000,
  suspicionMaxMs: 20_000,
  goneSuspicionMs: 2000,
  gossipIntervalMs: 300,
  gossipNodes: 4,
  syncIntervalMs: 15_000,
  tombstoneMs: 300_000,
};

/** Processes of one machine, in tests and demos. */
export const SWIM_LOOPBACK: SwimConfig = {
  ...SWIM_LAN,
  // Nothing is lost on the way, and a datagram costs little.
  gossipIntervalMs: 50,
};
