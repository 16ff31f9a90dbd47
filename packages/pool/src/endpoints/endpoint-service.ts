/**
 * Whole-request members: servers that already run (Ollama, llama.cpp's server, vLLM, anything that
 * speaks OpenAI's API) and take a request as a whole. Each is an endpoint of one node, which alone
 * knows its address and key; the other nodes of the member send it requests over links.
 */
import type { NodeId } from "@hearthmesh/core";

/**
 * How a server is asked for its models and how it is: `ollama` by `/api/tags`, the others by
 * `/v1/models`; `llamacpp` by `/health` besides, which says when it still loads.
 */
export type EndpointKind = "ollama" | "llamacpp" | "vllm" | "openai";

/** What an operator says. */
export interface EndpointInput {
  /** 1 to 63 of a-z, 0-9 and `-`; unique on its node. */
  readonly name: string;
  /** `http://127.0.0.1:11434`, with or without `/v1`; no user or password. */
  readonly url: string;
  /** Default `openai`. */
  readonly kind?: EndpointKind | undefined;
  /** Only these models of it; default: all that the server names. */
  readonly models?: readonly string[] | undefined;
  /** A file on its node with the server's key; read for each request, never kept. */
  readonly keyFile?: string | undefined;
  /** Requests that it gets at a time. */
  readonly requestsAtOnce?: number | undefined;
}

export interface EndpointRecord {
  readonly v: 1;
  readonly name: string;
  /** Base of the API, with `/v1` at its end and without a slash after it. */
  readonly url: string;
  readonly kind: EndpointKind;
  /** Empty: all that the server names. */
  readonly models: readonly string[];
  readonly keyFile?: string;
  readonly requestsAtOnce: number;
}

/** An endpoint of any node of the member. */
export interface EndpointView {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly nodeName: string;
  readonly kind: EndpointKind;
  readonly health: "ok" | "failing" | "unknown";
  /** Why it is not `ok`. */
  readonly reason: string | undefined;
  readonly models: readonly string[];
  /** Requests under way, from everywhere. */
  readonly requests: number;
  readonly requestsAtOnce: number;
  /** Round trip to the node; undefined when no way is known. */
  readonly costMs: number | undefined;
  readonly isLocal: boolean;
  /** Of endpoints of this node alone. */
  readonly url: string | undefined;
  readonly hasKey: boolean | undefined;
}

/** Which of OpenAI's two forms of request. */
export type EndpointOperation = "chat" | "completion";

export interface EndpointRequest {
  readonly operation: EndpointOperation;
  readonly model: string;
  /** The whole JSON body, as the server gets it. */
  readonly body: Uint8Array;
  /** Names or ids of nodes; undefined: all that serve the model. */
  readonly onlyMembers: readonly string[] | undefined;
}

/** The beginning of a server's answer; the rest comes as it is made. */
export interface EndpointAnswer {
  readonly status: number;
  readonly contentType: string;
  /** As the server says with 429 and 503. */
  readonly retryAfterMs: number | undefined;
  /** Who answers. */
  readonly endpoint: string;
  readonly nodeName: string;
  /** Throws `MESH_UPSTREAM_FAILED` when it breaks off. Read to its end, or left early. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface EndpointService {
  /** Of all nodes that answer. */
  list(signal: AbortSignal): Promise<readonly EndpointView[]>;
  /**
   * The answer of the least loaded, then nearest member that serves the model. The next one is
   * tried while no byte of an answer has come, also when one answers that it is busy or broken.
   * `MESH_MODEL_UNKNOWN`, `MESH_LIMIT` when all are busy, `MESH_UPSTREAM_FAILED` when none can.
   */
  send(request: EndpointRequest, signal: AbortSignal): Promise<EndpointAnswer>;
  /** On this node. `MESH_BAD_REQUEST`, `MESH_SERVICE_EXISTS`, `MESH_LIMIT`. */
  add(input: EndpointInput): Promise<EndpointView>;
  /** From this node. `MESH_NOT_FOUND`. */
  remove(name: string): Promise<{ readonly name: string }>;
}
