/**
 * Connections that leave HTTP: WebSocket and other upgrades (RFC 9110, 7.8), and plain TCP through
 * `Upgrade: hearthmesh-tcp`. Both take the first candidate to which a connection can be opened.
 * Errors are thrown before anything was answered; `refuseUpgrade` tells them to the caller.
 */
import type { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { errorFields, MeshError } from "@hearthmesh/core";
import { joinDuplexes, type ServiceCandidate, timeLimit } from "@hearthmesh/membership";
// Not `problem.js`: every storage node loads this file, and none needs a web framework.
import { PROBLEM_CONTENT_TYPE, plainMeshError, problemOf } from "../server/problem-body.js";
import { answerHeaders } from "./answer-head.js";
import { type CandidateFailure, failureOf, forHttp } from "./candidate-failures.js";
import { CANDIDATES_TRIED_MAX, FIRST_BYTE_MS_DEFAULT } from "./limits.js";
import type { ProxyTarget, ServiceProxyOptions } from "./proxy-options.js";
import { requestHead } from "./request-head.js";
import type { ResponseHead } from "./response-head.js";
import type { TraceContext, TraceSource } from "./trace-context.js";
import { type Exchange, UpstreamConnection } from "./upstream-connection.js";

/** The protocol of `mesh forward`: bytes of one TCP connection after the 101. */
export const TCP_UPGRADE = "hearthmesh-tcp";
/** Between two signs of life of a caller whose machine may be gone. */
const KEEP_ALIVE_MS = 60_000;
/** `token`, perhaps with a version: `websocket`, `h2c`, `foo/2`. */
const UPGRADE_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z/, -]{1,100}$/;

type UpgradeOptions = ServiceProxyOptions & { readonly traces: TraceSource };

export async function upgrade(
  options: UpgradeOptions,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { target, path, principal, signal }: ProxyTarget,
): Promise<void> {
  const candidates = forHttp(options.access.resolve(target), target);
  const wanted = request.headers.upgrade ?? "";
  if (!UPGRADE_NAME.test(wanted)) {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the Upgrade header is not valid" });
  }
  const trace = options.traces.of(request.headers);
  const text = requestHead({
    request,
    path,
    body: "none",
    trace,
    pseudonym: options.pseudonym,
    principal,
    expectContinue: false,
    upgrade: wanted,
  });
  const { connection, candidate } = await openFirst(options, socket, candidates, trace, signal);
  const upstream = new UpstreamConnection(connection, () => {});
  const { clock, pseudonym, firstByteMs = FIRST_BYTE_MS_DEFAULT } = options;
  const limit = timeLimit(clock, firstByteMs, signal);
  const opening = new UpgradeExchange(upstream, socket, (answer) =>
    answerHeaders({ head: answer, candidate, trace, pseudonym }),
  );
  const giveUp = () => opening.giveUp(firstByteMs);
  const onGone = () => opening.abandon();
  limit.signal.addEventListener("abort", giveUp, { once: true });
  socket.once("close", onGone);
  try {
    upstream.begin(request.method ?? "GET", opening);
    upstream.write(`${text}Host: ${upstream.authority}\r\n\r\n`);
    const service = await opening.done;
    if (service === undefined) return;
    service.write(head);
    await joined(options, socket, service, candidate);
  } finally {
    limit.end();
    socket.off("close", onGone);
  }
}

export async function connectTcp(
  options: UpgradeOptions,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { target, signal }: Pick<ProxyTarget, "target" | "signal">,
): Promise<void> {
  if (request.headers.upgrade?.toLowerCase() !== TCP_UPGRADE) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `this address is for connections with \`Upgrade: ${TCP_UPGRADE}\``,
      hint: "`mesh forward <service> <localPort>` makes them.",
    });
  }
  const candidates = options.access.resolve(target);
  const trace = options.traces.of(request.headers);
  const { connection, candidate } = await openFirst(options, socket, candidates, trace, signal);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TCP_UPGRADE}\r\n` +
      `X-Request-Id: ${trace.requestId}\r\nX-Mesh-Node: ${candidate.nodeName}\r\n` +
      `X-Mesh-Service: ${candidate.service}\r\n\r\n`,
    "latin1",
  );
  connection.duplex.write(head);
  await joined(options, socket, connection.duplex, candidate);
}

/** Answers an upgrade with the problem, and ends the connection. */
export function refuseUpgrade(socket: Duplex, thrown: unknown): void {
  const error = plainMeshError(thrown);
  const body = JSON.stringify(problemOf(error));
  socket.on("error", () => {});
  socket.end(
    `HTTP/1.1 ${error.status} Refused\r\nContent-Type: ${PROBLEM_CONTENT_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

async function openFirst(
  { access }: ServiceProxyOptions,
  socket: Duplex,
  candidates: readonly ServiceCandidate[],
  { requestId }: TraceContext,
  signal: AbortSignal | undefined,
) {
  const gone = new AbortController();
  const leave = () => gone.abort();
  socket.once("close", leave);
  signal?.addEventListener("abort", leave, { once: true });
  const failures: CandidateFailure[] = [];
  try {
    for (const candidate of candidates.slice(0, CANDIDATES_TRIED_MAX)) {
      try {
        const opening = access.openConnection(candidate, { signal: gone.signal, requestId });
        return { connection: await opening, candidate };
      } catch (error) {
        failures.push({ candidate, reason: plainMeshError(error) });
        if (gone.signal.aborted) break;
      }
    }
  } finally {
    socket.off("close", leave);
    signal?.removeEventListener("abort", leave);
  }
  throw failureOf(failures);
}

/** Until both sides have ended; a connection that breaks is nobody's error here. */
async function joined(
  { log }: ServiceProxyOptions,
  socket: Duplex,
  service: Duplex,
  { nodeId, service: name }: ServiceCandidate,
): Promise<void> {
  if (socket instanceof Socket) {
    // The server's limits are for requests; this one is silent as long as its users are.
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  }
  await joinDuplexes(socket, service).catch((error: unknown) => {
    log.debug(`a connection to the service ${name} broke off`, { nodeId, ...errorFields(error) });
  });
}

/** Waits for the service's answer to an upgrade; anything but 101 is handed on as it is. */
class UpgradeExchange implements Exchange {
  readonly #upstream: UpstreamConnection;
  readonly #socket: Duplex;
  readonly #headersOf: (head: ResponseHead) => string[];
  #resolve: (service: Duplex | undefined) => void = () => {};
  #reject: (error: MeshError) => void = () => {};
  #answered = false;
  #upgraded = false;
  #first: Buffer[] = [];
  /** The connection to the service after 101; undefined when it refused or the caller has gone. */
  readonly done: Promise<Duplex | undefined>;

  constructor(
    upstream: UpstreamConnection,
    socket: Duplex,
    headersOf: (head: ResponseHead) => string[],
  ) {
    this.#upstream = upstream;
    this.#socket = socket;
    this.#headersOf = headersOf;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  onInterim(): void {}

  onHead(head: ResponseHead): void {
    this.#answered = true;
    this.#upgraded = head.status === 101;
    const headers = this.#headersOf(head);
    const change = this.#upgraded ? ["Connection", "Upgrade", ...namesOf(head)] : CLOSES;
    let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
    const lines = [...headers, ...change];
    for (let at = 0; at < lines.length; at += 2) text += `${lines[at]}: ${lines[at + 1]}\r\n`;
    this.#socket.write(`${text}\r\n`, "latin1");
  }

  onBody(bytes: Buffer): void {
    if (this.#upgraded) this.#first.push(bytes);
    else if (!this.#socket.write(bytes)) {
      this.#upstream.pause();
      this.#socket.once("drain", () => this.#upstream.resume());
    }
  }

  onTrailers(): void {}

  /** After 101 the parser is not needed any more, and what it has read goes back. */
  onPiece(): void {
    if (!this.#upgraded) return;
    const service = this.#upstream.release();
    if (this.#first.length > 0) service.unshift(Buffer.concat(this.#first));
    this.#first = [];
    this.#resolve(service);
  }

  onEnd(): void {
    this.#upstream.destroy();
    this.#socket.end();
    this.#resolve(undefined);
  }

  onDrain(): void {}

  onFail(error: Error): void {
    if (this.#answered) {
      this.#socket.destroy();
      this.#resolve(undefined);
    } else this.#reject(failed(error));
  }

  giveUp(firstByteMs: number): void {
    if (this.#answered) return;
    this.#upstream.destroy();
    const message = `the service did not begin to answer within ${firstByteMs} ms`;
    this.#reject(new MeshError("MESH_TIMEOUT", { message }));
  }

  abandon(): void {
    if (this.#upgraded) return;
    this.#upstream.destroy();
    this.#resolve(undefined);
  }
}

const CLOSES = ["Connection", "close"];

function failed(error: Error): MeshError {
  const known = error instanceof MeshError && error.code !== "MESH_UNREACHABLE";
  if (known) return error;
  return new MeshError("MESH_SERVICE_UNAVAILABLE", { message: error.message, cause: error });
}

/** The protocol that the service has chosen. */
function namesOf({ lines }: ResponseHead): string[] {
  for (let at = 0; at < lines.length; at += 2) {
    if (lines[at]?.toLowerCase() === "upgrade") return ["Upgrade", lines[at + 1] ?? ""];
  }
  return [];
}
