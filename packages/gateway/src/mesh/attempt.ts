/**
 * One request to one candidate over one connection, and its answer to the caller.
 *
 * States: `waiting` (no byte of the answer has come), `answering` (the head went to the caller),
 * `over`. While it waits, every failure is the attempt's alone and `done` resolves to an
 * `AttemptFailure`; the caller knows nothing of it. Once the head has gone out, a failure cuts the
 * caller's connection, so that a part is never taken for the whole, and `done` resolves to nothing.
 */
import type { ServerResponse } from "node:http";
import { type Clock, MeshError, type Timer } from "@hearthmesh/core";
import { dropRefusedBody } from "../server/refused-body.js";
import type { DeadlineQueue } from "./deadline-queue.js";
import { CONTINUE_WAIT_MS, STREAM_IDLE_MS_MAX } from "./limits.js";
import type { BodySink, RequestBody } from "./request-body.js";
import type { ResponseHead } from "./response-head.js";
import type { Exchange, UpstreamConnection } from "./upstream-connection.js";

/** Why an attempt came to nothing, and what the service may have seen of it. */
export class AttemptFailure extends Error {
  constructor(
    readonly reason: MeshError,
    /** `not-sent`: no byte went to the service. `answered`: bytes came that were no answer. */
    readonly stage: "not-sent" | "sent" | "answered",
    /** The connection had been used before: the service may just have closed it. */
    readonly wasKept = false,
  ) {
    super(reason.message);
  }
}

export interface AttemptOptions {
  readonly connection: UpstreamConnection;
  readonly response: ServerResponse;
  readonly method: string;
  /** With `Host` and the final CRLF. */
  readonly head: string;
  readonly body: RequestBody;
  /** The caller waits for `100 Continue` before it sends the body. */
  readonly expectContinue: boolean;
  readonly clock: Clock;
  /** Of all attempts, for the first byte of the answer. */
  readonly deadlines: DeadlineQueue;
  headersOf(head: ResponseHead): string[];
  /** The connection can carry another request. */
  onReusable(connection: UpstreamConnection): void;
}

export class Attempt implements Exchange {
  readonly #options: AttemptOptions;
  readonly #wasKept: boolean;
  #resolve: (failure?: AttemptFailure) => void = () => {};
  #state: "waiting" | "answering" | "over" = "waiting";
  #continue: Timer | undefined;
  /** The last piece, kept for a moment so that it can go out together with the end. */
  #held: Buffer | undefined;
  #headPending = false;
  #bodyDone = false;
  #sendingBody = false;
  /** Never rejects: a failure is its value. */
  readonly done: Promise<AttemptFailure | undefined>;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#wasKept = options.connection.isUsed;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  start(): void {
    const { connection, method, head, body, clock } = this.#options;
    connection.begin(method, this);
    if (body.length === "none" || body.length === 0) {
      this.#onSent();
      connection.write(head);
      return;
    }
    connection.cork();
    connection.write(head);
    if (this.#options.expectContinue) {
      this.#continue = clock.setTimeout(() => this.#sendBody(), CONTINUE_WAIT_MS);
    } else this.#sendBody();
    connection.uncork();
  }

  /** The caller has gone, or nobody wants the answer any more. */
  abandon(): void {
    if (this.#state === "over") return;
    this.#finish();
    this.#options.connection.destroy();
    this.#resolve();
  }

  onInterim({ status, lines }: ResponseHead): void {
    const { response } = this.#options;
    if (status === 100) this.#sendBody();
    else if (response.req.httpVersionMinor === 0) return;
    else if (status === 102) response.writeProcessing();
    else if (status === 103) writeEarlyHints(response, lines);
  }

  onHead(head: ResponseHead): void {
    const { response, headersOf } = this.#options;
    if (head.status === 101) {
      throw new MeshError("MESH_PROTOCOL", {
        message: "the service changed to another protocol without having been asked to",
      });
    }
    this.#state = "answering";
    this.#stopWaiting();
    response.writeHead(head.status, head.reason, headersOf(head));
    this.#headPending = true;
  }

  onBody(bytes: Buffer): void {
    this.#flush();
    this.#held = bytes;
  }

  onTrailers(lines: readonly string[]): void {
    const { response } = this.#options;
    const pairs: [string, string][] = [];
    for (let at = 0; at < lines.length; at += 2) {
      const name = lines[at] ?? "";
      if (!FORBIDDEN_TRAILERS.has(name.toLowerCase())) pairs.push([name, lines[at + 1] ?? ""]);
    }
    response.addTrailers(pairs);
  }

  onPiece(): void {
    if (this.#state !== "answering") return;
    if (this.#held !== undefined) this.#flush();
    else if (this.#headPending) {
      // An event stream may have its first event much later than its head.
      this.#options.response.flushHeaders();
      this.#stream();
    }
  }

  onEnd(reusable: boolean): void {
    const { connection, response, onReusable } = this.#options;
    const bytes = this.#held;
    this.#held = undefined;
    const bodyDone = this.#bodyDone;
    this.#finish();
    if (reusable && bodyDone) onReusable(connection);
    else connection.destroy();
    if (bytes === undefined) response.end();
    else response.end(bytes);
    // An answer before the end of the body: the rest of it is of no use to anybody.
    if (!bodyDone) dropRefusedBody(response.req, response);
    this.#resolve();
  }

  onDrain(): void {
    if (this.#sendingBody) this.#options.body.resume();
  }

  onFail(error: Error, answered: boolean): void {
    if (this.#state === "over") return;
    const { response } = this.#options;
    const isCut = this.#state === "answering";
    this.#finish();
    if (isCut) {
      response.destroy();
      this.#resolve();
      return;
    }
    const reason =
      error instanceof MeshError ? error : new MeshError("MESH_UNREACHABLE", { cause: error });
    this.#resolve(new AttemptFailure(reason, answered ? "answered" : "sent", this.#wasKept));
  }

  /** Sends what is held; the service waits while the caller does not take it. */
  #flush(): void {
    const bytes = this.#held;
    if (bytes === undefined) return;
    this.#held = undefined;
    if (this.#headPending) this.#stream();
    const { response, connection } = this.#options;
    if (response.write(bytes)) return;
    connection.pause();
    response.once("drain", () => {
      // Later the connection may be somebody else's.
      if (this.#state === "answering") connection.resume();
    });
  }

  /** The answer comes in pieces, perhaps with long silences. */
  #stream(): void {
    this.#headPending = false;
    this.#options.response.socket?.setTimeout(STREAM_IDLE_MS_MAX);
  }

  #sendBody(): void {
    if (this.#sendingBody || this.#bodyDone || this.#state !== "waiting") return;
    this.#sendingBody = true;
    this.#continue?.cancel();
    const { connection, response, body, expectContinue } = this.#options;
    if (expectContinue) response.writeContinue();
    body.sendTo(
      bodySinkOf(connection, body.length === "chunked", {
        ended: () => this.#onSent(),
        failed: (error) => this.onFail(error, false),
      }),
    );
  }

  /** A service may read for hours before it answers; its time runs from the end of the body. */
  #onSent(): void {
    this.#bodyDone = true;
    if (this.#state === "waiting") this.#options.deadlines.add(this);
  }

  onDeadline(): void {
    const { deadlines, connection } = this.#options;
    connection.destroy();
    const message = `the service did not begin to answer within ${deadlines.delayMs} ms`;
    this.onFail(new MeshError("MESH_TIMEOUT", { message }), false);
  }

  #finish(): void {
    if (this.#state === "waiting") this.#stopWaiting();
    this.#state = "over";
    this.#options.body.detach();
  }

  #stopWaiting(): void {
    this.#options.deadlines.remove(this);
    this.#continue?.cancel();
  }
}

/** Fields that mean something before the body alone (RFC 9110, 6.5.1). */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  "authorization",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "host",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
]);

function writeEarlyHints(response: ServerResponse, lines: readonly string[]): void {
  const links: string[] = [];
  for (let at = 0; at < lines.length; at += 2) {
    if (lines[at]?.toLowerCase() === "link") links.push(lines[at + 1] ?? "");
  }
  try {
    if (links.length > 0) response.writeEarlyHints({ link: links });
  } catch {
    // Node refuses links of a form that it does not know; hints may be left out.
  }
}

/** Writes a body to a service, in chunks when its length is not known. */
function bodySinkOf(
  connection: UpstreamConnection,
  isChunked: boolean,
  told: { ended(): void; failed(error: MeshError): void },
): BodySink {
  return {
    write(bytes) {
      if (!isChunked) return connection.write(bytes);
      connection.write(`${bytes.length.toString(16)}\r\n`);
      connection.write(bytes);
      return connection.write("\r\n");
    },
    end(trailers) {
      told.ended();
      if (isChunked) connection.write(`0\r\n${trailerLines(trailers)}\r\n`);
    },
    fail(error) {
      connection.destroy();
      told.failed(error);
    },
  };
}

function trailerLines(trailers: readonly string[]): string {
  let lines = "";
  for (let at = 0; at < trailers.length; at += 2) {
    const name = trailers[at] ?? "";
    if (!FORBIDDEN_TRAILERS.has(name.toLowerCase())) lines += `${name}: ${trailers[at + 1]}\r\n`;
  }
  return lines;
}
