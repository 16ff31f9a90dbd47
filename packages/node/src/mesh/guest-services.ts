/**
 * Services across meshes: introduced nodes are asked what runs on them, and those that may use ours
 * are told. A service is reached straight on the node that runs it; nothing is passed on.
 */

import type { IntroductionRecord } from "@hearthmesh/collective";
import {
  type Clock,
  decodeMessage,
  encodeMessage,
  errorFields,
  type Logger,
  MeshError,
  type NodeId,
  type Startable,
  sleep,
} from "@hearthmesh/core";
import {
  type AnnouncedServices,
  checkServices,
  type ServiceAnnouncement,
} from "@hearthmesh/membership";
import type { Link, LinkHandlers } from "@hearthmesh/qwormhole";
import type { Guests } from "./guests.js";

const METHOD = "service.list";
const ASK_EVERY_MS = 2_000;
const ASK_TIMEOUT_MS = 5_000;
/** Nodes that are asked at once. */
const ASKED_AT_ONCE_MAX = 8;

export interface GuestServicesOptions {
  readonly guests: Guests;
  linkTo(node: IntroductionRecord, signal: AbortSignal): Promise<Link>;
  /** What runs on this node. */
  localServices(): readonly ServiceAnnouncement[];
  readonly clock: Clock;
  readonly log: Logger;
}

interface Heard {
  readonly services: readonly ServiceAnnouncement[];
  /** Smoothed, of the link; 0 when it is not known. */
  readonly roundTripMs: number;
}

export class GuestServices implements Startable {
  readonly name = "services of introduced nodes";
  /** Serves `service.list`. */
  readonly handlers: LinkHandlers = {
    onRequest: ({ method }) => {
      if (method !== METHOD) throw new MeshError("MESH_FORBIDDEN");
      return encodeMessage({ services: this.#options.localServices() });
    },
  };
  readonly #options: GuestServicesOptions;
  readonly #heard = new Map<NodeId, Heard>();
  readonly #stopping = new AbortController();
  #resting = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: GuestServicesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MeshError("MESH_STOPPING"));
    this.#resting.abort();
    await this.#loop;
  }

  /** Somebody was introduced, or is so no longer. */
  askSoon(): void {
    this.#resting.abort();
  }

  announced(): AnnouncedServices[] {
    return [...this.#heard].map(([nodeId, { services }]) => ({ nodeId, services }));
  }

  costMsTo(nodeId: NodeId): number | undefined {
    return this.#heard.get(nodeId)?.roundTripMs;
  }

  async #run(): Promise<void> {
    const { guests, clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const introduced = [...guests.list()];
      const known = new Set(introduced.map(({ nodeId }) => nodeId));
      for (const nodeId of this.#heard.keys()) if (!known.has(nodeId)) this.#heard.delete(nodeId);
      while (introduced.length > 0 && !signal.aborted) {
        await Promise.all(introduced.splice(0, ASKED_AT_ONCE_MAX).map((one) => this.#ask(one)));
      }
      this.#resting = new AbortController();
      if (signal.aborted) return;
      await sleep(clock, ASK_EVERY_MS, this.#resting.signal).catch(() => undefined);
    }
  }

  async #ask(node: IntroductionRecord): Promise<void> {
    const { linkTo, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      const link = await linkTo(node, signal);
      const options = { timeoutMs: ASK_TIMEOUT_MS, signal };
      const answer = await link.request(METHOD, encodeMessage({}), options);
      const services = readServices(decodeMessage<{ services?: unknown }>(answer).header.services);
      this.#heard.set(node.nodeId, { services, roundTripMs: link.roundTripMs ?? 0 });
    } catch (error) {
      // It may not have introduced this node, or be away: then it offers nothing here.
      this.#heard.delete(node.nodeId);
      log.debug("an introduced node tells no services", {
        nodeName: node.name,
        ...errorFields(error),
      });
    }
  }
}

/** Throws for anything that an own announcement could not hold either. */
function readServices(value: unknown): ServiceAnnouncement[] {
  if (!Array.isArray(value)) throw new MeshError("MESH_PROTOCOL");
  const services = value as ServiceAnnouncement[];
  checkServices(services);
  return services.map(({ name, capabilities, protocol, health, load }) => ({
    name,
    capabilities: [...capabilities],
    protocol,
    health,
    load,
  }));
}
