/**
 * The serving side of `service.open`: another node of the mesh gets a connection to a service that
 * is registered here, by its name and nothing else.
 *
 * Header: `encodeMessage({ service, requestId })`. When the connection is open a word goes back:
 * `SERVICE_OPENED u8 | length u8 | host:port of the service`, so that the caller knows that it may
 * send and, for HTTP, what the service calls itself. From then on the stream is the connection,
 * byte by byte, and each direction ends on its own. When it cannot be opened the stream
 * is reset with `MESH_SERVICE_UNKNOWN`, `MESH_SERVICE_UNAVAILABLE` or `MESH_LIMIT`, and the service
 * has not seen anything of the request.
 */
import {
  asWireError,
  type Clock,
  decodeMessage,
  errorFields,
  type Logger,
  MeshError,
} from "@hearthmesh/core";
import { type LinkHandlers, type LinkStream, streamDuplex } from "@hearthmesh/qwormhole";
import { joinDuplexes } from "./join-duplexes.js";
import {
  AUTHORITY_BYTES_MAX,
  REQUEST_ID_BYTES_MAX,
  SERVICE_CONNECT_MS_MAX,
  SERVICE_NAME_BYTES_MAX,
  SERVICE_OPEN_HEADER_BYTES_MAX,
  SERVICE_STREAMS_MAX,
  SERVICE_STREAMS_PER_PEER_MAX,
} from "./limits.js";
import type { LoadMeter } from "./load-meter.js";
import type { ServiceHealth } from "./service-health.js";
import type { ServiceConnector } from "./service-network.js";
import type { ServiceRegistry } from "./service-registry.js";

export const SERVICE_OPEN = "service.open";
/** The first byte of an opened stream. */
export const SERVICE_OPENED = 1;

export interface ServiceStreamsOptions {
  readonly registry: ServiceRegistry;
  readonly health: Pick<ServiceHealth, "connectFailed">;
  readonly load: LoadMeter;
  readonly connect: ServiceConnector;
  readonly clock: Clock;
  readonly log: Logger;
  readonly streamsPerPeerMax?: number;
  readonly streamsMax?: number;
}

interface OpenHeader {
  readonly service: string;
  readonly requestId: string;
}

export class ServiceStreams {
  readonly #options: ServiceStreamsOptions;
  readonly #perPeer = new Map<string, number>();
  #count = 0;

  constructor(options: ServiceStreamsOptions) {
    this.#options = options;
  }

  readonly handlers: LinkHandlers = {
    onStream: async (stream) => {
      try {
        await this.#serve(stream);
      } catch (error) {
        throw asWireError(error);
      }
    },
  };

  /** Streams of other nodes that are open. */
  get count(): number {
    return this.#count;
  }

  async #serve(stream: LinkStream): Promise<void> {
    if (stream.method !== SERVICE_OPEN) {
      const message = `the services have no method ${JSON.stringify(stream.method.slice(0, 64))}`;
      throw new MeshError("MESH_PROTOCOL", { message });
    }
    const leave = this.#enter(stream.peer.nodeId);
    try {
      const header = headerOf(stream.header);
      const { socket, service } = await this.#connect(header, stream.signal);
      try {
        await stream.write(openedWord(authorityOf(service)));
      } catch (error) {
        socket.on("error", () => {});
        socket.destroy();
        throw error;
      }
      await joinDuplexes(socket, streamDuplex(stream)).catch((error: unknown) => {
        // Either side may hang up at any time; both have been told by their own connection.
        this.#options.log.debug("a connection to a service broke off", {
          nodeId: stream.peer.nodeId,
          path: header.requestId,
          ...errorFields(error),
        });
      });
    } finally {
      leave();
    }
  }

  async #connect({ service: name }: OpenHeader, closed: AbortSignal) {
    const { registry, connect, health, load } = this.#options;
    const service = registry.get(name);
    if (service === undefined) {
      throw new MeshError("MESH_SERVICE_UNKNOWN", {
        message: `this node has no service ${JSON.stringify(name)}`,
      });
    }
    try {
      const signal = timeLimit(this.#options.clock, SERVICE_CONNECT_MS_MAX, closed);
      const socket = await connect(service, signal.signal).finally(signal.end);
      load.add(name, socket);
      return { socket, service };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!closed.aborted) health.connectFailed(name, reason);
      throw new MeshError("MESH_SERVICE_UNAVAILABLE", { message: reason, cause: error });
    }
  }

  #enter(nodeId: string): () => void {
    const { streamsPerPeerMax = SERVICE_STREAMS_PER_PEER_MAX, streamsMax = SERVICE_STREAMS_MAX } =
      this.#options;
    const ofPeer = this.#perPeer.get(nodeId) ?? 0;
    if (ofPeer >= streamsPerPeerMax || this.#count >= streamsMax) {
      const [max, who] =
        ofPeer >= streamsPerPeerMax ? [streamsPerPeerMax, "for one node"] : [streamsMax, "in all"];
      throw new MeshError("MESH_LIMIT", {
        message: `${max} connections to services are open here already ${who}`,
      });
    }
    this.#perPeer.set(nodeId, ofPeer + 1);
    this.#count++;
    return () => {
      const left = (this.#perPeer.get(nodeId) ?? 1) - 1;
      if (left > 0) this.#perPeer.set(nodeId, left);
      else this.#perPeer.delete(nodeId);
      this.#count--;
    };
  }
}

/** `host:port`, as in a Host header. */
export function authorityOf({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function openedWord(authority: string): Uint8Array {
  const text = Buffer.from(authority, "latin1").subarray(0, AUTHORITY_BYTES_MAX);
  return Buffer.concat([Buffer.of(SERVICE_OPENED, text.length), text]);
}

/** From another machine: every field is looked at. */
function headerOf(bytes: Uint8Array): OpenHeader {
  if (bytes.length > SERVICE_OPEN_HEADER_BYTES_MAX) {
    throw new MeshError("MESH_PROTOCOL", { message: "the header of the stream is too long" });
  }
  const { service, requestId } = decodeMessage<Record<string, unknown>>(bytes).header;
  const fits = typeof service === "string" && service.length <= SERVICE_NAME_BYTES_MAX;
  const named = typeof requestId === "string" && requestId.length <= REQUEST_ID_BYTES_MAX;
  if (!fits || !named) {
    throw new MeshError("MESH_PROTOCOL", { message: "the header of the stream is not valid" });
  }
  return { service, requestId };
}

/** A signal that is aborted with `outer`, or after `limitMs`; `end` lets go of both. */
export function timeLimit(
  clock: Clock,
  limitMs: number,
  outer?: AbortSignal,
): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const onAbort = () => controller.abort(outer?.reason);
  const timer = clock.setTimeout(() => controller.abort(new MeshError("MESH_TIMEOUT")), limitMs);
  if (outer?.aborted) onAbort();
  else outer?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    end() {
      timer.cancel();
      outer?.removeEventListener("abort", onAbort);
    },
  };
}
