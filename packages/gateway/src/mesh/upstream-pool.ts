/**
 * Connections to services, kept for the next request. The one that was used last is taken first,
 * so that those which are not needed grow old and are closed.
 */
import { type Clock, MeshError, type Timer } from "@hearthmesh/core";
import type { ServiceCandidate, ServiceConnection } from "@hearthmesh/membership";
import {
  CONNECTIONS_PER_SERVICE_MAX,
  FRESH_CONNECTION_MS,
  IDLE_CONNECTION_MS,
  IDLE_CONNECTIONS_MAX,
  IDLE_CONNECTIONS_PER_SERVICE_MAX,
} from "./limits.js";
import { UpstreamConnection } from "./upstream-connection.js";

export interface TakeOptions {
  /** A kept connection that the service may have closed by now is not good enough. */
  readonly careful: boolean;
  /** None that was used before. */
  readonly fresh: boolean;
}

interface Place {
  /** Busy ones, idle ones, and those that are being opened. */
  count: number;
  readonly idle: UpstreamConnection[];
}

/** How often it is looked for connections that are too old. */
const SWEEP_MS = 1_000;

export class UpstreamPool {
  readonly #clock: Clock;
  readonly #places = new Map<string, Place>();
  #idleCount = 0;
  #sweep: Timer | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Connections that wait for a request. */
  get idleCount(): number {
    return this.#idleCount;
  }

  /** A kept connection; undefined when there is none. */
  takeIdle(candidate: ServiceCandidate, { careful, fresh }: TakeOptions) {
    if (fresh) return undefined;
    const place = this.#places.get(keyOf(candidate));
    const connection = place?.idle.pop();
    if (place === undefined || connection === undefined) return undefined;
    const ageMs = this.#clock.monotonicMs() - connection.idleSinceMs;
    if (ageMs > Math.min(careful ? FRESH_CONNECTION_MS : IDLE_CONNECTION_MS, connection.keepMs)) {
      // Those below it in the stack are older still.
      place.idle.push(connection);
      return undefined;
    }
    this.#idleCount--;
    return connection;
  }

  /** A new connection. `MESH_LIMIT` when the service has as many as it may have. */
  async open(
    candidate: ServiceCandidate,
    connect: () => Promise<ServiceConnection>,
  ): Promise<UpstreamConnection> {
    const key = keyOf(candidate);
    const place = this.#places.get(key) ?? { count: 0, idle: [] };
    if (place.count >= CONNECTIONS_PER_SERVICE_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `${CONNECTIONS_PER_SERVICE_MAX} connections to ${candidate.service} are open`,
      });
    }
    this.#places.set(key, place);
    place.count++;
    const left = () => {
      place.count--;
      if (place.count === 0 && this.#places.get(key) === place) this.#places.delete(key);
    };
    try {
      return new UpstreamConnection(await connect(), (connection) => {
        left();
        const at = place.idle.indexOf(connection);
        if (at < 0) return;
        place.idle.splice(at, 1);
        this.#idleCount--;
      });
    } catch (error) {
      left();
      throw error;
    }
  }

  /** Keeps it for the next request, or closes it. */
  giveBack(candidate: ServiceCandidate, connection: UpstreamConnection): void {
    const place = this.#places.get(keyOf(candidate));
    const hasRoom =
      place !== undefined &&
      place.idle.length < IDLE_CONNECTIONS_PER_SERVICE_MAX &&
      this.#idleCount < IDLE_CONNECTIONS_MAX;
    if (this.#closed || !hasRoom || !connection.isOpen || connection.keepMs <= 0) {
      connection.destroy();
      return;
    }
    connection.idleSinceMs = this.#clock.monotonicMs();
    connection.resume();
    place.idle.push(connection);
    this.#idleCount++;
    this.#sweep ??= this.#clock.setTimeout(() => this.#closeOld(), SWEEP_MS);
  }

  /** Closes what is idle, and from now on what comes back. */
  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    this.#sweep = undefined;
    for (const { idle } of [...this.#places.values()]) {
      for (const connection of [...idle]) connection.destroy();
    }
  }

  #closeOld(): void {
    this.#sweep = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const { idle } of [...this.#places.values()]) {
      for (const connection of [...idle]) {
        const keptMs = Math.min(IDLE_CONNECTION_MS, connection.keepMs);
        if (nowMs - connection.idleSinceMs > keptMs) connection.destroy();
      }
    }
    if (this.#idleCount > 0) {
      this.#sweep = this.#clock.setTimeout(() => this.#closeOld(), SWEEP_MS);
    }
  }
}

function keyOf({ nodeId, service }: ServiceCandidate): string {
  return `${nodeId}/${service}`;
}
