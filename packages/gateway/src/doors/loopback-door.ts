/**
 * The HTTP door: the first page and the API in plaintext, for whoever sits at this machine, who is
 * the operator; web pages of others are kept out (see `loopback-guard.ts`). Unless it is told to
 * be open, it opens on loopback addresses alone.
 *
 * Open, it also serves other machines, as the federation guide needs it (ADR 10): with an API key,
 * and only health, `/mesh/...`, `/api/mesh/...` and `/v1/...`. The same port then speaks TLS too,
 * with the node's certificate, to whoever begins with a handshake.
 */
import { createServer, type Server as HttpsServer } from "node:https";
import type { Server } from "node:net";
import { limits, MeshError } from "@hearthmesh/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { HttpMetrics } from "../metrics/http-metrics.js";
import { readPageFiles } from "../page/page-files.js";
import { type DoorAddress, isLoopbackAddress } from "../plain/listen.js";
import type { IsViewer } from "../plain/viewers.js";
import { apiRoutes } from "../routes/api-routes.js";
import { pageRoutes } from "../routes/page-routes.js";
import { buildApp } from "../server/build-app.js";
import { addressOf, httpCaller, strangerReason } from "../server/caller.js";
import type { DoorCredentials, GatewayServices } from "../services.js";
import { HttpDoor, type UpgradeHandler } from "./http-door.js";
import { SharedPort } from "./shared-port.js";
import { tlsOptions } from "./tls-credentials.js";

export interface LoopbackDoorOptions {
  /** `127.0.0.1`, `::1` or `localhost`; any address when it is open. */
  readonly host: string;
  readonly port: number;
  readonly services: GatewayServices;
  readonly metrics: HttpMetrics;
  /** Serves other machines too; then `credentials` are needed for TLS on the same port. */
  readonly isOpen?: boolean;
  readonly credentials?: DoorCredentials;
  readonly upgrade?: UpgradeHandler;
  readonly isViewer?: IsViewer;
}

export class LoopbackDoor extends HttpDoor {
  readonly #door: LoopbackDoorOptions;
  #credentials: DoorCredentials | undefined;
  #secure: HttpsServer | undefined;

  constructor(options: LoopbackDoorOptions) {
    super({
      name: "HTTP door",
      flag: "http",
      address: doorAddress(options),
      clock: options.services.clock,
      log: options.services.log,
    });
    this.#door = options;
    this.#credentials = options.credentials;
  }

  protected async build(): Promise<FastifyInstance> {
    const { services, metrics, isOpen = false, upgrade, isViewer } = this.#door;
    const resolver = httpCaller({ services, isOpen, isViewer });
    const app = buildApp({
      door: "loopback",
      services,
      metrics,
      routes: [...apiRoutes(services), ...pageRoutes(await readPageFiles())],
      guard: (request) => guardStrangers(request, isOpen),
      caller: ({ raw, routeOptions }) => resolver.resolve(raw, routeOptions.url ?? ""),
    });
    this.#secure = this.#makeSecure(app);
    if (upgrade !== undefined) {
      for (const server of [app.server, this.#secure]) {
        server?.on("upgrade", (request, socket, head) => upgrade(request, socket, head, resolver));
      }
    }
    return app;
  }

  protected override server(app: FastifyInstance) {
    if (this.#secure === undefined) return app.server;
    const shared: Server = new SharedPort(app.server, this.#secure);
    shared.maxConnections = limits.HTTP_CONNECTIONS_MAX;
    return shared as SharedPort;
  }

  /** New TLS connections get the renewed certificate; open ones go on. */
  reload(credentials: DoorCredentials): void {
    this.#credentials = credentials;
    this.#secure?.setSecureContext(tlsOptions(credentials));
  }

  #makeSecure(app: FastifyInstance): HttpsServer | undefined {
    if (this.#credentials === undefined) return undefined;
    const { keepAliveTimeout, requestTimeout, headersTimeout, timeout } = app.server;
    const secure = createServer(
      {
        ...tlsOptions(this.#credentials),
        // Introduced nodes have certificates of their own CAs: who they are is judged per request.
        requestCert: true,
        rejectUnauthorized: false,
        handshakeTimeout: limits.HTTP_SMALL_REQUEST_MS_MAX,
        maxHeaderSize: limits.HTTP_HEADER_BYTES_MAX,
        keepAliveTimeout,
        requestTimeout,
        headersTimeout,
      },
      (request, response) => app.routing(request, response),
    );
    secure.setTimeout(timeout);
    return secure;
  }
}

/** What other machines may ask for at all; whether they may is the policy's decision. */
const OPEN_PATH = /^\/(health(\/|$)|mesh\/|api\/mesh\/|v1\/)/;

function guardStrangers(request: FastifyRequest, isOpen: boolean): void {
  const reason = strangerReason(request.raw);
  if (reason === undefined) return;
  if (!isOpen) throw reason;
  // The route's own pattern, so that no spelling of an address gets past.
  if (OPEN_PATH.test(request.routeOptions.url ?? request.url)) return;
  // A web page of another site hears what is wrong with it; a proxy, what this port is for.
  if (reason.code === "MESH_FORBIDDEN" && isLoopbackAddress(addressOf(request.raw))) throw reason;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "this port serves only health, /mesh/, /api/mesh/ and /v1/ to other machines",
    hint: "Use the port with mutual TLS (8001 by default), or this address on the machine itself.",
  });
}

/** `localhost` may resolve to anything: it is read as 127.0.0.1. */
function doorAddress({ host, port, isOpen = false }: LoopbackDoorOptions): DoorAddress {
  const address = host === "localhost" ? "127.0.0.1" : host;
  if (!isOpen && !isLoopbackAddress(address)) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `the plaintext HTTP port may not be opened on ${host}`,
      hint:
        "Use 127.0.0.1. Other machines use the port with mutual TLS (--api-port), " +
        "or MESH_ENABLED=true opens this one to them for API keys.",
      details: { key: "http.host", value: host },
    });
  }
  return { host: address, port };
}
