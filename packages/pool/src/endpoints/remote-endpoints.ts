/** The endpoints of other nodes: what they offer, asked when it is needed, and requests there. */
import {
  type Clock,
  errorFields,
  fromWireError,
  type Logger,
  MeshError,
  type NodeId,
} from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import type { AgentLinks } from "../runtime/ports.js";
import type { EndpointAnswer, EndpointView } from "./endpoint-service.js";
import {
  type AnnouncedEndpoint,
  type AnswerHead,
  decodeAnswerHead,
  decodeList,
  ENDPOINT_METHODS,
  encodeSendHeader,
  viewOf,
} from "./endpoint-wire.js";
import {
  ENDPOINT_LIST_AGE_MS_MAX,
  ENDPOINT_LIST_KEPT_MS,
  ENDPOINT_LIST_MS_MAX,
  ENDPOINT_LIST_PAUSE_MS,
  ENDPOINT_NODES_MAX,
} from "./limits.js";
import type { LocalRequest } from "./local-endpoints.js";

/** Another node of the member that may have endpoints. */
export interface EndpointNode {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly costMs: number | undefined;
}

export interface RemoteEndpointsOptions {
  /** Those that are there now. */
  nodes(): readonly EndpointNode[];
  readonly links: Pick<AgentLinks, "call" | "openStream">;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Known {
  endpoints: readonly AnnouncedEndpoint[];
  /** When it answered last. */
  heardMs: number;
  /** Not asked again before. */
  askAtMs: number;
  asking: Promise<void> | undefined;
}

export class RemoteEndpoints {
  readonly #options: RemoteEndpointsOptions;
  readonly #known = new Map<NodeId, Known>();

  constructor(options: RemoteEndpointsOptions) {
    this.#options = options;
  }

  /** Rejects with the signal alone: a node that does not answer has what it had a moment ago. */
  async list(signal: AbortSignal): Promise<EndpointView[]> {
    const nodes = this.#options.nodes().slice(0, ENDPOINT_NODES_MAX);
    this.#forgetOthers(nodes);
    await Promise.all(nodes.map((node) => this.#refresh(node, signal)));
    signal.throwIfAborted();
    const nowMs = this.#options.clock.monotonicMs();
    return nodes.flatMap((node) => {
      const known = this.#known.get(node.nodeId);
      if (known === undefined || nowMs - known.heardMs > ENDPOINT_LIST_KEPT_MS) return [];
      return known.endpoints.map((endpoint) => viewOf(endpoint, node));
    });
  }

  /** Resolves when the head of the answer is there: bytes follow it at once. */
  async send(
    { nodeId, nodeName }: EndpointView,
    { body, ...header }: LocalRequest,
    signal: AbortSignal,
  ): Promise<EndpointAnswer> {
    const { endpoint } = header;
    const encoded = encodeSendHeader({ ...header, bytes: body.length });
    const { send } = ENDPOINT_METHODS;
    const stream = await this.#options.links.openStream(nodeId, send, encoded, signal);
    try {
      await stream.write(body);
      stream.end();
      const answer = new StreamAnswer(stream, `${endpoint} on ${nodeName}`);
      const head = await answer.head();
      return { ...head, endpoint, nodeName, body: answer };
    } catch (error) {
      stream.reset("MESH_CANCELLED", "nobody waits for the answer");
      throw signal.aborted ? signal.reason : fromWireError(error);
    }
  }

  #refresh({ nodeId, name }: EndpointNode, signal: AbortSignal): Promise<void> | undefined {
    const known = this.#known.get(nodeId) ?? {
      endpoints: [],
      heardMs: Number.NEGATIVE_INFINITY,
      askAtMs: 0,
      asking: undefined,
    };
    this.#known.set(nodeId, known);
    if (known.asking !== undefined) return known.asking;
    const { clock, log } = this.#options;
    if (clock.monotonicMs() < known.askAtMs) return undefined;
    known.asking = this.#ask(nodeId, known, signal)
      .catch((error: unknown) => {
        known.askAtMs = clock.monotonicMs() + (signal.aborted ? 0 : ENDPOINT_LIST_PAUSE_MS);
        log.debug("a node did not say which endpoints it has", {
          nodeName: name,
          ...errorFields(error),
        });
      })
      .finally(() => {
        known.asking = undefined;
      });
    return known.asking;
  }

  async #ask(nodeId: NodeId, known: Known, signal: AbortSignal): Promise<void> {
    const { links, clock } = this.#options;
    const options = { signal, timeoutMs: ENDPOINT_LIST_MS_MAX };
    const bytes = await links.call(nodeId, ENDPOINT_METHODS.list, new Uint8Array(), options);
    known.endpoints = decodeList(bytes);
    known.heardMs = clock.monotonicMs();
    known.askAtMs = known.heardMs + ENDPOINT_LIST_AGE_MS_MAX;
  }

  #forgetOthers(nodes: readonly EndpointNode[]): void {
    const present = new Set(nodes.map(({ nodeId }) => nodeId));
    for (const nodeId of this.#known.keys()) {
      if (!present.has(nodeId)) this.#known.delete(nodeId);
    }
  }
}

/** The answer in a stream; leaving it resets the stream, which cancels the request over there. */
class StreamAnswer implements AsyncIterableIterator<Uint8Array> {
  readonly #stream: LinkStream;
  readonly #who: string;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array | undefined;

  constructor(stream: LinkStream, who: string) {
    this.#stream = stream;
    this.#who = who;
    this.#pieces = stream.readable[Symbol.asyncIterator]();
  }

  async head(): Promise<AnswerHead> {
    let bytes = Buffer.alloc(0);
    for (;;) {
      const { done, value } = await this.#pieces.next();
      if (done === true) throw new MeshError("MESH_PROTOCOL", { message: "there is no answer" });
      bytes = Buffer.concat([bytes, value]);
      const decoded = decodeAnswerHead(bytes);
      if (decoded === undefined) continue;
      this.#rest = decoded.rest;
      return decoded.head;
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined && rest.length > 0) return { done: false, value: rest };
    try {
      return await this.#pieces.next();
    } catch (error) {
      const message = `${this.#who} broke off: ${fromWireError(error).message}`;
      throw new MeshError("MESH_UPSTREAM_FAILED", { message, cause: error });
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#stream.reset("MESH_CANCELLED", "nobody waits for the answer");
    return { done: true, value: undefined };
  }
}
