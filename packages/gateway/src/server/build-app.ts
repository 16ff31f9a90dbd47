/**
 * Builds the fastify application of one door from its routes. Order of a request: a place among
 * those under way, the door's guard, who calls, the route's policy, its schemas, its handler.
 * The server does not start with a route that names no policy.
 */

import type { ServerOptions as HttpsOptions } from "node:https";
import { errorFields, limits, MeshError } from "@hearthmesh/core";
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from "fastify";
import { serializerCompiler } from "fastify-type-provider-zod";
import { TraceSource, traceIdOf } from "../mesh/trace-context.js";
import type { HttpMetrics } from "../metrics/http-metrics.js";
import { isOpenAiPath, openAiError } from "../openai/openai-error.js";
import type { GatewayServices, TraceScope } from "../services.js";
import { makeCall } from "./call.js";
import { DrawnIds } from "./drawn-ids.js";
import { COMMON_HEADERS } from "./headers.js";
import { InFlight } from "./in-flight.js";
import { authorize, type Caller, POLICIES, type Policy } from "./policy.js";
import { PROBLEM_CONTENT_TYPE, problemOf, toMeshError } from "./problem.js";
import { dropRefusedBody } from "./refused-body.js";
import { requestValidator } from "./request-validator.js";
import type { Route } from "./route.js";

export interface AppOptions {
  readonly door: "loopback" | "api" | "enrolment";
  readonly services: Pick<GatewayServices, "clock" | "log" | "random" | "traces">;
  readonly metrics: HttpMetrics;
  readonly routes: readonly Route[];
  /** TLS; without it the door speaks plaintext. */
  readonly tls?: HttpsOptions;
  readonly bodyBytesMax?: number;
  /** Time in which a whole request must have come; without it only an idle connection ends. */
  readonly requestMsMax?: number;
  readonly requestsInFlightMax?: number;
  /** Throws to refuse a request before anything else is looked at. */
  guard?(request: FastifyRequest): void;
  /** Who calls; asked once for every request to a route that is not `public`. */
  caller?(request: FastifyRequest): Caller;
}

/** Of every answer: with it the lines about a request are found in the logs of all nodes. */
const TRACE_HEADER = "x-trace-id";

interface RequestState {
  caller: Caller | undefined;
  readonly startedMs: number;
  readonly traceId: string;
  readonly scope: TraceScope | undefined;
}

export function buildApp(options: AppOptions): FastifyInstance {
  const app = makeFastify(options);
  app.removeContentTypeParser("text/plain");
  const states = new WeakMap<FastifyRequest, RequestState>();
  refuseRoutesWithoutPolicy(app);
  admitRequests(app, options, states);
  answerErrors(app, options);
  const streams = options.routes.filter((route) => route.streamsBody);
  for (const route of options.routes) {
    if (!route.streamsBody) addRoute(app, route, states);
  }
  app.register(async (inner) => {
    inner.removeAllContentTypeParsers();
    inner.addContentTypeParser("*", (_request, _body, done) => done(null));
    for (const route of streams) addRoute(inner, route, states);
  });
  return app;
}

type SchemaController = NonNullable<FastifyServerOptions["schemaController"]>;
type Compilers = NonNullable<SchemaController["compilersFactory"]>;

/**
 * Requests are checked, answers reduced (fastify-type-provider-zod), by the contracts. Given at the
 * start, so that the framework does not load those of its own, whose types these have not.
 */
const contractCompilers = {
  buildValidator: () => requestValidator,
  buildSerializer: () => serializerCompiler,
} as unknown as Compilers;

function makeFastify(options: AppOptions): FastifyInstance {
  const { tls, services } = options;
  const ids = new DrawnIds(services.random, 6);
  const limitsOfServer = {
    maxHeaderSize: limits.HTTP_HEADER_BYTES_MAX,
    headersTimeout: limits.HTTP_SMALL_REQUEST_MS_MAX,
  };
  const common = {
    logger: false,
    bodyLimit: options.bodyBytesMax ?? limits.HTTP_JSON_BYTES_MAX,
    connectionTimeout: limits.HTTP_IDLE_MS_MAX,
    requestTimeout: options.requestMsMax ?? 0,
    genReqId: () => ids.next(),
    requestIdHeader: false,
    schemaController: { compilersFactory: contractCompilers },
    routerOptions: { maxParamLength: limits.INVITE_TEXT_BYTES_MAX },
    forceCloseConnections: "idle",
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      sendProblem(toMeshError(error), request, reply);
    },
  } as const;
  const app =
    tls === undefined
      ? Fastify({ ...common, http: limitsOfServer })
      : (Fastify({
          ...common,
          https: { ...limitsOfServer, ...tls },
        }) as unknown as FastifyInstance);
  app.server.maxConnections = limits.HTTP_CONNECTIONS_MAX;
  return app;
}

function policyOf(config: unknown): Policy | undefined {
  const { policy } = (config ?? {}) as { policy?: unknown };
  return POLICIES.find((known) => known === policy);
}

function refuseRoutesWithoutPolicy(app: FastifyInstance): void {
  app.addHook("onRoute", ({ method, url, config }) => {
    if (policyOf(config) !== undefined) return;
    throw new MeshError("MESH_INTERNAL", {
      message: `the route ${String(method)} ${url} names no policy`,
    });
  });
}

function admitRequests(
  app: FastifyInstance,
  options: AppOptions,
  states: WeakMap<FastifyRequest, RequestState>,
): void {
  const { door, metrics } = options;
  const { clock, random, traces } = options.services;
  const source = new TraceSource(random);
  const inFlight = new InFlight(options.requestsInFlightMax ?? limits.HTTP_REQUESTS_IN_FLIGHT_MAX);
  app.addHook("onRequest", (request, reply, done) => {
    const { traceparent } = source.of(request.headers);
    // For the proxy to services, which hands it on.
    request.headers.traceparent = traceparent;
    const traceId = traceIdOf(traceparent);
    const scope = traces?.begin(traceparent);
    const startedMs = clock.monotonicMs();
    const state: RequestState = { caller: undefined, startedMs, traceId, scope };
    states.set(request, state);
    reply.headers(COMMON_HEADERS);
    reply.header(TRACE_HEADER, traceId);
    try {
      const leave = inFlight.enter();
      metrics.requestsInFlight(door, inFlight.count);
      reply.raw.once("close", () => {
        leave();
        metrics.requestsInFlight(door, inFlight.count);
        noteAnswer(request, reply, options, state);
        scope?.end();
      });
      options.guard?.(request);
      const policy = policyOf(request.routeOptions.config);
      if (policy !== undefined && policy !== "public") {
        state.caller = options.caller?.(request);
        authorize(policy, state.caller);
      }
      done();
    } catch (error) {
      done(toMeshError(error));
    }
  });
}

function noteAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  options: AppOptions,
  state: RequestState,
): void {
  const { method } = request;
  const route = request.routeOptions.url ?? "unknown";
  const status = reply.raw.writableFinished ? reply.statusCode : 499;
  const durationMs = options.services.clock.monotonicMs() - state.startedMs;
  options.metrics.requestAnswered({ door: options.door, method, route, status, durationMs });
  options.services.log.debug("request answered", {
    method,
    route,
    status,
    durationMs,
    traceId: state.traceId,
    ...(state.caller === undefined ? {} : { principal: nameOf(state.caller) }),
  });
}

function nameOf({ keyId, principal }: Caller): string {
  return keyId === undefined ? principal.spiffeId : `key/${keyId}`;
}

function answerErrors(app: FastifyInstance, options: AppOptions): void {
  const { log } = options.services;
  app.setErrorHandler((thrown, request, reply) => {
    const error = toMeshError(thrown);
    if (error.status >= 500) {
      const route = request.routeOptions.url ?? "unknown";
      log.warn("a request failed", { method: request.method, route, ...errorFields(error) });
      if (error.code === "MESH_INTERNAL") log.error("cause", errorFields(error.cause ?? error));
    }
    sendProblem(error, request, reply);
    dropRefusedBody(request.raw, reply.raw);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const message = `there is no ${request.method} ${path.slice(0, 200)}`;
    const hint = "GET /openapi.json lists everything that there is.";
    sendProblem(new MeshError("MESH_NOT_FOUND", { message, hint }), request, reply);
    dropRefusedBody(request.raw, reply.raw);
  });
}

function sendProblem(error: MeshError, request: FastifyRequest, reply: FastifyReply): void {
  if (error.status === 429 || error.status === 503) {
    const { retryAfterMs } = error.details ?? {};
    const seconds = typeof retryAfterMs === "number" ? Math.ceil(retryAfterMs / 1000) : 1;
    reply.header("retry-after", String(seconds));
  }
  const isOpenAi = isOpenAiPath(request.url);
  const contentType = isOpenAi ? "application/json; charset=utf-8" : PROBLEM_CONTENT_TYPE;
  reply
    .code(error.status)
    .headers({ ...COMMON_HEADERS, "content-type": contentType })
    .serializer((body: unknown) => JSON.stringify(body))
    .send(isOpenAi ? openAiError(error, request.url) : problemOf(error, request.id));
}

function addRoute(
  app: FastifyInstance,
  route: Route,
  states: WeakMap<FastifyRequest, RequestState>,
): void {
  const { endpoint, policy } = route;
  const status = endpoint.successStatus ?? 200;
  app.route({
    method: route.answersHead ? ["GET", "HEAD"] : endpoint.method,
    url: endpoint.path,
    config: { policy },
    ...(route.bodyBytesMax === undefined ? {} : { bodyLimit: route.bodyBytesMax }),
    schema: {
      ...(endpoint.params === undefined ? {} : { params: endpoint.params }),
      ...(endpoint.query === undefined ? {} : { querystring: endpoint.query }),
      ...(endpoint.body === undefined ? {} : { body: endpoint.body }),
      // A route may answer with another success than its usual one: 200 for what is there already.
      ...(endpoint.response === undefined ? {} : { response: { "2xx": endpoint.response } }),
    },
    handler: async (request, reply) => {
      const state = states.get(request);
      const handle = () => route.handle(makeCall(request, reply, state?.caller));
      const answer = await (state?.scope === undefined ? handle() : state.scope.run(handle));
      if (answer === undefined) return reply;
      if (reply.statusCode === 200) reply.code(status);
      return answer;
    },
  });
}
