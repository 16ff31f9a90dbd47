/**
 * `heal.incident`: a node tells its incidents to the coordinator that leads, so that the history
 * there shows the whole member. What cannot be told waits, newest state only, and is tried again;
 * with it goes how long it waited (`waitedMs`), from which its times are counted back there.
 */
import type { Leader } from "@hearthmesh/collective";
import { EnrolmentLimiter } from "@hearthmesh/collective/admission";
import { leaderNamedBy, notLeading } from "@hearthmesh/collective/leadership";
import {
  type Clock,
  decodeMessage,
  encodeMessage,
  errorFields,
  isMeshError,
  type Logger,
  MeshError,
  sleep,
} from "@hearthmesh/core";
import type { Incident } from "@hearthmesh/healing";
import type { Link } from "@hearthmesh/qwormhole";
import type { MemberLeadership } from "../coordinators/member-leadership.js";
import { type MethodPart, principalOf } from "../method-router.js";
import { readIncident } from "./incident-schema.js";
import { timedHere } from "./incident-times.js";

const METHOD = "heal.incident";
const TIMEOUT_MS = 5_000;
const RETRY_MS = 5_000;
/** Incidents that wait to be told; the oldest are left out, and stay in the own history. */
const WAITING_MAX = 256;
/** Of one node, and of all of them: each is written to the store. An incident has six changes. */
const PER_NODE_PER_MINUTE = 60;
const TOTAL_PER_MINUTE = 1_200;
/** Of one message. A full timeline fits without the remedies that there were to choose from. */
const INCIDENT_BYTES_MAX = 96 * 1024;

/**
 * For a coordinator. Who says so is in the certificate of the link: what the message says of its
 * node is not looked at. `MESH_BAD_REQUEST` when it is no incident, `MESH_LIMIT` for too many,
 * `MESH_NOT_LEADER` with who leads.
 */
export function incidentDesk(options: {
  readonly leadership: Pick<MemberLeadership, "state">;
  readonly clock: Clock;
  /** What is known of the incident with this id. */
  known(id: string): Incident | undefined;
  /** Its times are those of the clock here. */
  told(incident: Incident): void;
}): MethodPart {
  const { leadership, clock } = options;
  const limiter = new EnrolmentLimiter({
    perAddressPerMinute: PER_NODE_PER_MINUTE,
    totalPerMinute: TOTAL_PER_MINUTE,
    what: "incidents",
  });
  return {
    prefixes: [METHOD],
    callers: "machines",
    handlers: {
      onRequest: async ({ peer, body }) => {
        const { nodeId, name: nodeName } = principalOf(peer);
        if (leadership.state.role !== "leader") throw notLeading(leadership.state);
        limiter.admit(nodeId, clock.monotonicMs());
        const told = toldIn(body);
        if (told === undefined) {
          throw new MeshError("MESH_BAD_REQUEST", { message: "this is no incident of healing" });
        }
        const known = options.known(told.incident.id);
        const before = known?.nodeId === nodeId ? known : undefined;
        const { waitedMs } = told;
        const incident = timedHere(told.incident, { waitedMs, nowMs: clock.nowMs(), before });
        options.told({ ...incident, nodeId, nodeName });
        return encodeMessage({});
      },
    },
  };
}

interface Told {
  readonly incident: Incident;
  readonly waitedMs: number;
}

function toldIn(body: Uint8Array): Told | undefined {
  if (body.length > INCIDENT_BYTES_MAX) return undefined;
  const { header } = decodeMessage<{ incident?: unknown; waitedMs?: unknown }>(body);
  const incident = readIncident(header.incident);
  const waited = Number.isFinite(header.waitedMs) ? Number(header.waitedMs) : 0;
  return incident && { incident, waitedMs: Math.max(0, waited) };
}

function messageOf({ incident, waitedMs }: Told): Uint8Array[] {
  const message = encodeMessage({ incident, waitedMs });
  const bytes = message.reduce((sum, piece) => sum + piece.length, 0);
  if (bytes <= INCIDENT_BYTES_MAX) return message;
  const timeline = incident.timeline.map(({ candidates: _, ...entry }) => entry);
  return encodeMessage({ incident: { ...incident, timeline }, waitedMs });
}

export interface IncidentReporterOptions {
  /** A link to the coordinator that leads; undefined when that is this node. */
  leader(): Promise<Link | undefined>;
  onOtherLeader(leader: Leader): void;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiting {
  readonly incident: Incident;
  /** Monotonic; its newest entry is of then. */
  readonly sinceMs: number;
}

export class IncidentReporter {
  readonly #options: IncidentReporterOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #stopping = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: IncidentReporterOptions) {
    this.#options = options;
  }

  /** Returns at once. */
  tell(incident: Incident): void {
    if (this.#stopping.signal.aborted) return;
    this.#waiting.delete(incident.id);
    const sinceMs = this.#options.clock.monotonicMs();
    this.#waiting.set(incident.id, { incident, sinceMs });
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > WAITING_MAX && oldest !== undefined) this.#waiting.delete(oldest);
    this.#sending ??= this.#sendAll();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      const [next] = this.#waiting.values();
      if (next === undefined || signal.aborted) {
        // In the same turn: what comes in the next one would wait for nobody.
        this.#sending = undefined;
        return;
      }
      this.#waiting.delete(next.incident.id);
      try {
        await this.#send(next, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(next, error);
        await sleep(this.#options.clock, RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  async #send({ incident, sinceMs }: Waiting, signal: AbortSignal): Promise<void> {
    const { leader, clock } = this.#options;
    const link = await orAborted(leader(), signal);
    const waitedMs = Math.round(clock.monotonicMs() - sinceMs);
    await link?.request(METHOD, messageOf({ incident, waitedMs }), {
      priority: "bulk",
      timeoutMs: TIMEOUT_MS,
      signal,
    });
  }

  #failed(waiting: Waiting, error: unknown): void {
    const { log, onOtherLeader } = this.#options;
    const { id: incidentId } = waiting.incident;
    log.debug("an incident was not told to the leader", { incidentId, ...errorFields(error) });
    const leader = isMeshError(error, "MESH_NOT_LEADER") ? leaderNamedBy(error) : undefined;
    if (leader !== undefined) onOtherLeader(leader);
    // It would be refused again.
    if (isMeshError(error, "MESH_BAD_REQUEST")) return;
    // A newer state of it may have come meanwhile.
    if (!this.#waiting.has(incidentId)) this.#waiting.set(incidentId, waiting);
  }
}

/** Dialling may take its time; a daemon that stops does not wait for it. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
