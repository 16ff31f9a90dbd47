/**
 * Carries HTTP requests of callers to services of the mesh: any method, any body, both ways as
 * streams, over connections that are kept. `handle` serves requests, `upgrade` WebSocket and every
 * other upgrade, `connectTcp` connections without HTTP.
 *
 * Which candidate gets a request, and when the next one does:
 *
 * - The order is that of `ServiceAccess.resolve`, at most `CANDIDATES_TRIED_MAX` of them.
 * - The next one is tried only while no byte of an answer has come.
 * - When the connection could not be opened, always: nobody has seen the request.
 * - When it broke or stayed silent after the request went out: for an idempotent method (RFC 9110,
 *   9.2.2) whose body can be sent once more. A connection that was kept and is found closed is
 *   replaced by a new one to the same candidate, under the same rule.
 * - Otherwise the caller gets a typed error: `MESH_SERVICE_UNAVAILABLE` (503) with what each
 *   candidate said, `MESH_TIMEOUT` (504) or `MESH_PROTOCOL` (502).
 *
 * Errors are thrown before anything was answered; after that the connection is cut.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { errorFields, MeshError } from "@hearthmesh/core";
import type { ServiceCandidate } from "@hearthmesh/membership";
import { answerHeaders } from "./answer-head.js";
import { Attempt, AttemptFailure } from "./attempt.js";
import { type CandidateFailure, failureOf, forHttp } from "./candidate-failures.js";
import { DeadlineQueue } from "./deadline-queue.js";
import { CANDIDATES_TRIED_MAX, FIRST_BYTE_MS_DEFAULT } from "./limits.js";
import type { ProxyTarget, ServiceProxyOptions } from "./proxy-options.js";
import { RequestBody } from "./request-body.js";
import { requestHead } from "./request-head.js";
import { type TraceContext, TraceSource } from "./trace-context.js";
import { connectTcp, upgrade } from "./upgrades.js";
import type { UpstreamConnection } from "./upstream-connection.js";
import { UpstreamPool } from "./upstream-pool.js";

export interface HandleOptions extends ProxyTarget {
  /**
   * The server leaves `Expect: 100-continue` to this call, because it has a listener for
   * `checkContinue`. Without one, Node has already told the caller to go on.
   */
  readonly expectContinue?: boolean;
}

/** RFC 9110, 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "PUT",
  "DELETE",
]);

export class ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #pool: UpstreamPool;
  readonly #traces: TraceSource;
  readonly #deadlines: DeadlineQueue;

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
    this.#pool = new UpstreamPool(options.clock);
    this.#traces = new TraceSource(options.random);
    const { firstByteMs = FIRST_BYTE_MS_DEFAULT } = options;
    this.#deadlines = new DeadlineQueue(options.clock, firstByteMs);
  }

  /** Connections to services that are kept for the next request. */
  get idleConnections(): number {
    return this.#pool.idleCount;
  }

  /** Resolves when the answer has been handed over, was cut off, or the caller has gone. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    options: HandleOptions,
  ): Promise<void> {
    const { access, pseudonym } = this.#options;
    const candidates = forHttp(access.resolve(options.target), options.target);
    const trace = this.#traces.of(request.headers);
    const body = new RequestBody(request);
    const expectContinue = options.expectContinue === true && body.length !== "none";
    const head = requestHead({
      request,
      path: options.path,
      body: body.length,
      trace,
      pseudonym,
      principal: options.principal,
      expectContinue,
      upgrade: undefined,
    });
    const call: Call = { request, response, body, trace, head, expectContinue };
    const caller = new CallerWatch(response, options.signal);
    try {
      const failures: CandidateFailure[] = [];
      for (const candidate of candidates) {
        if (failures.length === CANDIDATES_TRIED_MAX) break;
        const failure = await this.#tryCandidate(call, candidate, failures, caller);
        if (failure === undefined) return;
        failures.push({ candidate, reason: failure.reason });
      }
      throw failureOf(failures);
    } finally {
      caller.end();
    }
  }

  /** For the server's `upgrade` event; resolves when the upgraded connection has ended. */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    options: ProxyTarget,
  ): Promise<void> {
    return upgrade(this.#tools(), request, socket, head, options);
  }

  /** For `Upgrade: hearthmesh-tcp`: answers 101, then bytes go both ways. */
  connectTcp(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    options: Pick<ProxyTarget, "target" | "signal">,
  ): Promise<void> {
    return connectTcp(this.#tools(), request, socket, head, options);
  }

  /** Closes the connections that are kept; requests under way go on. */
  close(): void {
    this.#pool.close();
  }

  #tools() {
    return { ...this.#options, traces: this.#traces };
  }

  /**
   * The failure after which the next candidate is tried; undefined when nothing is left to do.
   * Throws when no other may be tried.
   */
  async #tryCandidate(
    call: Call,
    candidate: ServiceCandidate,
    failures: readonly CandidateFailure[],
    caller: CallerWatch,
  ): Promise<AttemptFailure | undefined> {
    const careful = !IDEMPOTENT.has(call.request.method ?? "GET");
    for (const fresh of [false, true]) {
      const connection =
        this.#pool.takeIdle(candidate, { careful, fresh }) ??
        (await this.#open(candidate, call, caller));
      const failure =
        connection instanceof AttemptFailure
          ? connection
          : await this.#attempt(call, candidate, connection, caller);
      if (failure === undefined || caller.isGone) return undefined;
      this.#note(call, candidate, failure);
      const { reason } = failure;
      if (!mayRepeat(call, failure)) throw failureOf([...failures, { candidate, reason }]);
      if (!failure.wasKept || failure.stage !== "sent") return failure;
    }
    return undefined;
  }

  #attempt(
    call: Call,
    candidate: ServiceCandidate,
    connection: UpstreamConnection,
    caller: CallerWatch,
  ): Promise<AttemptFailure | undefined> | undefined {
    if (caller.isGone) {
      this.#pool.giveBack(candidate, connection);
      return undefined;
    }
    const { clock, pseudonym } = this.#options;
    const { response, body, trace, expectContinue } = call;
    const attempt = new Attempt({
      connection,
      response,
      method: call.request.method ?? "GET",
      head: `${call.head}Host: ${connection.authority}\r\n\r\n`,
      body,
      expectContinue,
      clock,
      deadlines: this.#deadlines,
      headersOf: (head) => answerHeaders({ head, candidate, trace, pseudonym }),
      onReusable: (reusable) => this.#pool.giveBack(candidate, reusable),
    });
    caller.onGone = () => attempt.abandon();
    attempt.start();
    return attempt.done;
  }

  async #open(
    candidate: ServiceCandidate,
    { trace }: Call,
    { signal }: CallerWatch,
  ): Promise<UpstreamConnection | AttemptFailure> {
    const { access } = this.#options;
    try {
      return await this.#pool.open(candidate, () =>
        access.openConnection(candidate, { signal, requestId: trace.requestId }),
      );
    } catch (error) {
      const known = error instanceof MeshError;
      const reason = known ? error : new MeshError("MESH_UNREACHABLE", { cause: error });
      return new AttemptFailure(reason, "not-sent");
    }
  }

  #note({ trace }: Call, { nodeId, service }: ServiceCandidate, failure: AttemptFailure): void {
    this.#options.log.debug(`a request to the service ${service} failed (${failure.stage})`, {
      nodeId,
      path: trace.requestId,
      ...errorFields(failure.reason),
    });
  }
}

/** What of a request does not change from attempt to attempt. */
interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: RequestBody;
  readonly trace: TraceContext;
  readonly head: string;
  readonly expectContinue: boolean;
}

/** Tells when nobody waits for the answer any more. */
class CallerWatch {
  readonly #response: ServerResponse;
  readonly #outer: AbortSignal | undefined;
  #controller: AbortController | undefined;
  #isGone = false;
  onGone: () => void = () => {};

  constructor(response: ServerResponse, outer: AbortSignal | undefined) {
    this.#response = response;
    this.#outer = outer;
    response.once("close", this.#onClosed);
    outer?.addEventListener("abort", this.#onClosed, { once: true });
    if (response.destroyed || outer?.aborted) this.#leave();
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Made when it is asked for: most requests find a connection that is kept. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isGone) this.#controller.abort();
    return this.#controller.signal;
  }

  end(): void {
    this.#response.off("close", this.#onClosed);
    this.#outer?.removeEventListener("abort", this.#onClosed);
  }

  readonly #onClosed = () => {
    this.#leave();
    // Does nothing where the response has closed by itself.
    this.#response.destroy();
  };

  #leave(): void {
    this.#isGone = true;
    this.#controller?.abort();
    this.onGone();
  }
}

function mayRepeat({ request, body }: Call, { stage }: AttemptFailure): boolean {
  if (!body.canReplay || stage === "answered") return false;
  return stage === "not-sent" || IDEMPOTENT.has(request.method ?? "GET");
}
