/** Which function serves which request or stream. A method without one is refused. */
import { QWormholeError } from "../errors.js";
import type { Answer, IncomingRequest, LinkStream } from "../link.js";
import type { Serializer } from "../message-kind.js";
import { valueDeserializer } from "../serializers.js";
import type { QWormholeConnection } from "./connection.js";
import { decodeBody, encodeBody, OWN_METHOD_PREFIX } from "./values.js";

export interface RequestContext<T> {
  /** Who asks: on a server one of its clients, on a client its server. */
  readonly client: QWormholeConnection<T>;
  readonly method: string;
  /** Aborted when the caller cancels, its deadline passes, or the connection ends. */
  readonly signal: AbortSignal;
}

/** Answers a request; an error with a `code` travels to the caller as `remoteCode`. */
export type RequestHandler<T> = (value: unknown, context: RequestContext<T>) => unknown;

export type StreamHandler<T> = (
  stream: LinkStream,
  context: { readonly client: QWormholeConnection<T> },
) => void | Promise<void>;

export class HandlerTable<T> {
  readonly #requests = new Map<string, RequestHandler<T>>();
  readonly #streams = new Map<string, StreamHandler<T>>();
  readonly #serializer: Serializer;

  constructor(serializer: Serializer) {
    this.#serializer = serializer;
  }

  /** Throws `QW_OPTIONS_INVALID` when the method has a handler already. */
  handle(method: string, handler: RequestHandler<T>): void {
    add(this.#requests, method, handler);
  }

  handleStream(method: string, handler: StreamHandler<T>): void {
    add(this.#streams, method, handler);
  }

  /** Throws or rejects what the handler does, `QW_NO_HANDLER` or `QW_MESSAGE_INVALID`. */
  answer(request: IncomingRequest, client: QWormholeConnection<T>): Answer | Promise<Answer> {
    const handler = this.#requests.get(request.method);
    if (handler === undefined) throw noHandler("request", request.method);
    const { kind, payload } = decodeBody(request.body);
    const value = valueDeserializer(payload, kind);
    const answer = handler(value, new Context(client, request));
    return isThenable(answer)
      ? Promise.resolve(answer).then((later) => encodeBody(this.#serializer, later))
      : encodeBody(this.#serializer, answer);
  }

  async serve(stream: LinkStream, client: QWormholeConnection<T>): Promise<void> {
    const handler = this.#streams.get(stream.method);
    if (handler === undefined) throw noHandler("stream", stream.method);
    await handler(stream, { client });
  }
}

/** Asks the request for its signal only when the handler does, for making one costs. */
class Context<T> implements RequestContext<T> {
  readonly client: QWormholeConnection<T>;
  readonly #request: IncomingRequest;

  constructor(client: QWormholeConnection<T>, request: IncomingRequest) {
    this.client = client;
    this.#request = request;
  }

  get method(): string {
    return this.#request.method;
  }

  get signal(): AbortSignal {
    return this.#request.signal;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function add<Handler>(table: Map<string, Handler>, method: string, handler: Handler): void {
  const isTaken = table.has(method);
  if (!isTaken && !method.startsWith(OWN_METHOD_PREFIX)) {
    table.set(method, handler);
    return;
  }
  const why = isTaken ? "has a handler already" : "belongs to the protocol";
  throw new QWormholeError("QW_OPTIONS_INVALID", { message: `the method ${method} ${why}` });
}

function noHandler(what: string, method: string): QWormholeError {
  const message = `this side serves no ${what} of the name ${method}`;
  return new QWormholeError("QW_NO_HANDLER", { message });
}
