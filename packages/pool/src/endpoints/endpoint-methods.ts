/** What other nodes of the member may ask of this node's endpoints; see `endpoint-wire.ts`. */
import { MeshError } from "@hearthmesh/core";
import type { LinkHandlers, LinkStream } from "@hearthmesh/qwormhole";
import {
  decodeSendHeader,
  ENDPOINT_METHODS,
  encodeAnswerHead,
  encodeList,
} from "./endpoint-wire.js";
import { ENDPOINT_STREAMS_MAX, ENDPOINT_STREAMS_PER_NODE_MAX } from "./limits.js";
import type { LocalEndpoints } from "./local-endpoints.js";

/** Their callers are machines of this member: the node's router lets nobody else come here. */
export class EndpointMethods {
  readonly #local: LocalEndpoints;
  #streams = 0;
  readonly #streamsOf = new Map<string, number>();

  constructor(local: LocalEndpoints) {
    this.#local = local;
  }

  readonly handlers: LinkHandlers = {
    onRequest: ({ method }) => {
      if (method === ENDPOINT_METHODS.list) return encodeList(this.#local.views());
      throw unknown(method);
    },
    onStream: async (stream) => {
      if (stream.method !== ENDPOINT_METHODS.send) throw unknown(stream.method);
      const leave = this.#enter(stream.peer.nodeId);
      try {
        await this.#serve(stream);
      } finally {
        leave();
      }
    },
  };

  /** One node cannot take the places of all others. */
  #enter(nodeId: string): () => void {
    const own = this.#streamsOf.get(nodeId) ?? 0;
    if (this.#streams >= ENDPOINT_STREAMS_MAX || own >= ENDPOINT_STREAMS_PER_NODE_MAX) {
      const most = own >= ENDPOINT_STREAMS_PER_NODE_MAX ? own : ENDPOINT_STREAMS_MAX;
      throw new MeshError("MESH_LIMIT", {
        message: `${most} requests of other nodes are answered here already`,
      });
    }
    this.#streams++;
    this.#streamsOf.set(nodeId, own + 1);
    return () => {
      this.#streams--;
      const left = (this.#streamsOf.get(nodeId) ?? 1) - 1;
      if (left > 0) this.#streamsOf.set(nodeId, left);
      else this.#streamsOf.delete(nodeId);
    };
  }

  async #serve(stream: LinkStream): Promise<void> {
    const { bytes, ...header } = decodeSendHeader(stream.header);
    const body = await readBody(stream, bytes);
    checkModel(body, header.model);
    const answer = await this.#local.send({ ...header, body }, stream.signal);
    await stream.write(encodeAnswerHead(answer)).catch(async (error: unknown) => {
      await answer.body[Symbol.asyncIterator]().return?.();
      throw error;
    });
    for await (const piece of answer.body) await stream.write(piece);
    stream.end();
  }
}

/** Only the model that was looked at is asked for: the operator may have named a few. */
function checkModel(body: Uint8Array, model: string): void {
  let asked: unknown;
  try {
    asked = (JSON.parse(Buffer.from(body).toString("utf8")) as { model?: unknown } | null)?.model;
  } catch {
    // The one error below says it.
  }
  if (asked === model) return;
  throw new MeshError("MESH_PROTOCOL", { message: "the request is for another model" });
}

async function readBody(stream: LinkStream, bytes: number): Promise<Uint8Array> {
  const body = Buffer.alloc(bytes);
  let at = 0;
  for await (const piece of stream.readable) {
    if (at + piece.length > bytes) break;
    body.set(piece, at);
    at += piece.length;
    if (at === bytes) return body;
  }
  if (at === bytes) return body;
  throw new MeshError("MESH_PROTOCOL", { message: "the request is not as long as it says" });
}

function unknown(method: string): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: `endpoints have no method ${JSON.stringify(method.slice(0, 64))}`,
  });
}
