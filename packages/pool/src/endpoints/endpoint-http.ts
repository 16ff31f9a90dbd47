/**
 * HTTP to an endpoint: its models, and one request. Only addresses that the operator gave are
 * asked; a redirect is no answer. The key is read for each request and goes nowhere but into its
 * header.
 */
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { type Clock, MeshError, type Timer } from "@hearthmesh/core";
import { isModelName } from "./endpoint-record.js";
import type { EndpointOperation, EndpointRecord } from "./endpoint-service.js";
import {
  ENDPOINT_CONNECT_MS_MAX,
  ENDPOINT_FIRST_BYTE_MS_MAX,
  ENDPOINT_HEAD_BYTES_MAX,
  ENDPOINT_MODELS_MAX,
  ENDPOINT_SILENCE_MS_MAX,
  MODEL_LIST_BYTES_MAX,
} from "./limits.js";

export interface EndpointHttpOptions {
  readonly clock: Clock;
  /** The key in a file of this node, without white space around it. */
  readKey(path: string): Promise<string>;
}

export interface HttpHead {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfterMs: number | undefined;
  /** `MESH_UPSTREAM_FAILED` when it breaks off or stays silent. */
  readonly body: AsyncIterable<Uint8Array>;
}

const PATHS: Readonly<Record<EndpointOperation, string>> = {
  chat: "/chat/completions",
  completion: "/completions",
};

/** Where networks fail, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it cut the connection",
  ENOTFOUND: "the host name is not known",
  EHOSTUNREACH: "there is no way to the host",
  ENETUNREACH: "there is no way to the network",
  ETIMEDOUT: "no answer came",
};

export class EndpointHttp {
  readonly #options: EndpointHttpOptions;

  constructor(options: EndpointHttpOptions) {
    this.#options = options;
  }

  /** What it serves now. `MESH_UPSTREAM_FAILED` says why it does not work. */
  async models(endpoint: EndpointRecord, signal: AbortSignal): Promise<readonly string[]> {
    const root = endpoint.url.replace(/\/v1$/, "");
    if (endpoint.kind === "llamacpp") await this.#get(endpoint, `${root}/health`, signal);
    const isOllama = endpoint.kind === "ollama";
    const url = isOllama ? `${root}/api/tags` : `${endpoint.url}/models`;
    const answer = await this.#get(endpoint, url, signal);
    const list = isOllama
      ? (answer as { models?: unknown }).models
      : (answer as { data?: unknown }).data;
    if (!Array.isArray(list)) throw failed(endpoint, "it lists no models");
    const names = list.map((one) => (isOllama ? one?.name : one?.id)).filter(isModelName);
    const served = endpoint.models.length === 0 ? names : endpoint.models;
    const missing = served.find((name) => !names.includes(name));
    if (missing !== undefined) throw failed(endpoint, `it does not have the model ${missing}`);
    return [...new Set(served)].slice(0, ENDPOINT_MODELS_MAX);
  }

  /** Resolves with the head of the answer. `MESH_UPSTREAM_FAILED`, `MESH_CANCELLED`. */
  async send(
    endpoint: EndpointRecord,
    operation: EndpointOperation,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<HttpHead> {
    const url = `${endpoint.url}${PATHS[operation]}`;
    const silence = new Silence(this.#options.clock);
    const response = await this.#request(endpoint, { url, body, signal, silence });
    const { statusCode = 0, headers } = response;
    return {
      status: statusCode,
      contentType: headers["content-type"] ?? "application/octet-stream",
      retryAfterMs: retryAfterMs(headers["retry-after"]),
      body: bodyOf(endpoint, response, silence, signal),
    };
  }

  async #get(endpoint: EndpointRecord, url: string, signal: AbortSignal): Promise<unknown> {
    const silence = new Silence(this.#options.clock);
    const response = await this.#request(endpoint, { url, signal, silence });
    const { statusCode = 0 } = response;
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of bodyOf(endpoint, response, silence, signal)) {
      length += piece.length;
      if (length > MODEL_LIST_BYTES_MAX) throw failed(endpoint, "its answer is too long");
      pieces.push(piece);
    }
    const path = new URL(url).pathname;
    if (statusCode !== 200) throw failed(endpoint, `it answers ${statusCode} to GET ${path}`);
    try {
      const value: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
      if (typeof value === "object" && value !== null) return value;
    } catch {
      // The one error below says it.
    }
    throw failed(endpoint, `its answer to GET ${path} is no JSON`);
  }

  async #request(
    endpoint: EndpointRecord,
    { url, body, signal, silence }: RequestParts,
  ): Promise<IncomingMessage> {
    const { keyFile } = endpoint;
    const key = keyFile === undefined ? undefined : await this.#options.readKey(keyFile);
    signal.throwIfAborted();
    const isTls = url.startsWith("https:");
    const request = (isTls ? https : http).request(url, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "user-agent": "hearthmesh",
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": body.length }),
      },
      agent: false,
      maxHeaderSize: ENDPOINT_HEAD_BYTES_MAX,
      signal,
    });
    request.end(body);
    silence.begin(ENDPOINT_CONNECT_MS_MAX, () =>
      request.destroy(new Error("no connection in time")),
    );
    request.once("socket", (socket) => {
      socket.once(isTls ? "secureConnect" : "connect", () => {
        silence.begin(ENDPOINT_FIRST_BYTE_MS_MAX, () => request.destroy(new Error("it is silent")));
      });
    });
    return new Promise((resolve, reject) => {
      request.on("error", (error) => {
        silence.end();
        reject(signal.aborted ? signal.reason : failed(endpoint, reasonOf(error), error));
      });
      request.once("response", resolve);
    });
  }
}

interface RequestParts {
  readonly url: string;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
  readonly silence: Silence;
}

/** One timer for all phases of a request. */
class Silence {
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(limitMs: number, onOver: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimeout(onOver, limitMs);
  }

  end(): void {
    this.#timer?.cancel();
  }
}

async function* bodyOf(
  endpoint: EndpointRecord,
  response: IncomingMessage,
  silence: Silence,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const watch = () => {
    silence.begin(ENDPOINT_SILENCE_MS_MAX, () => response.destroy(new Error("it went silent")));
  };
  try {
    watch();
    for await (const piece of response as AsyncIterable<Buffer>) {
      // A slow reader is not a silent server.
      silence.end();
      yield piece;
      watch();
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : failed(endpoint, reasonOf(error), error);
  } finally {
    silence.end();
    response.destroy();
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (message === "aborted") return "it broke off its answer";
  return REASONS[code ?? ""] ?? code ?? message;
}

/** RFC 9110, 10.2.3: seconds; a date is rare and not worth a clock. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

function failed({ name }: EndpointRecord, reason: string, cause?: unknown): MeshError {
  return new MeshError("MESH_UPSTREAM_FAILED", {
    message: `${name}: ${reason}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
