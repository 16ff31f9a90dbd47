/**
 * The HTTP door of a node without a coordinator, on Node's own server: health, the mesh as this
 * node sees it, its services and the proxy to all services. It opens on loopback alone, where the
 * caller is the operator of the machine; keys and certificates are the coordinator's business. With
 * viewers it opens on any address, and serves others health and, to viewers, what the node sees.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import {
  type Clock,
  type Logger,
  limits,
  MeshError,
  type Random,
  type Startable,
} from "@hearthmesh/core";
import type { HealthResponse } from "../contracts/status.js";
import type { MeshService } from "../mesh-service.js";
import { guardLoopback } from "../server/loopback-guard.js";
import { issueWords, refusedFields } from "./issue-words.js";
import { readJson, sendJson } from "./json-body.js";
import { closeServer, type DoorAddress, isLoopbackAddress, listen } from "./listen.js";
import { healthStatus } from "./metrics-door.js";
import { plainServer } from "./plain-server.js";
import { readProxyTarget, serveProxy, upgradeProxy } from "./proxy-target.js";
import { type IsViewer, isForwarded, isViewRequest } from "./viewers.js";

/** Routes that need a web framework; see `../doors/node-api.ts`. */
export interface NodeApi {
  serve(request: IncomingMessage, response: ServerResponse): void;
  /** Ends what has no end of its own, before the door waits for all that is under way. */
  end?(): void;
  close(): Promise<void>;
}

export interface NodeDoorOptions extends DoorAddress {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly mesh: MeshService;
  health(): Promise<HealthResponse>;
  ready(): Promise<HealthResponse>;
  /** Who may read the views of the mesh from elsewhere; absent: it opens on loopback alone. */
  readonly isViewer?: IsViewer | undefined;
  /** What this door does not know itself; loaded when it is asked for first. */
  api?(): Promise<NodeApi>;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Handler = (request: IncomingMessage) => Promise<Answer>;

const HEALTH_PATH = /^\/health(\/(live|ready))?$/;

const SERVICES_PATH = "/api/mesh/services";

/** What `routes/node-routes.ts` serves: a new prefix is added here too. */
const API_PATH =
  /^\/(v1|events|api\/(pools|rings?|models|model-imports|inference|endpoints|healing))(\/|$)/;

export class NodeDoor implements Startable {
  readonly name = "HTTP door";
  readonly #options: NodeDoorOptions;
  readonly #server: Server;
  #address: DoorAddress | undefined;
  #api: Promise<NodeApi> | undefined;

  constructor(options: NodeDoorOptions) {
    this.#options = options;
    this.#server = plainServer({
      ...options,
      name: this.name,
      requestMsMax: 0,
      serve: (request, response) => this.#serve(request, response),
      upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
    });
  }

  /** Where it listens; undefined before `start`. */
  get address(): DoorAddress | undefined {
    return this.#address;
  }

  async start(): Promise<void> {
    const { host, port, log, isViewer } = this.#options;
    const address = host === "localhost" ? "127.0.0.1" : host;
    const isRefused = isViewer === undefined && !isLoopbackAddress(address);
    if (isRefused) {
      log.warn("this node has no API keys: its HTTP port opens on this machine alone");
    }
    const own = isRefused ? "127.0.0.1" : address;
    this.#address = await listen(this.#server, { host: own, port }, "http");
    log.info("HTTP door is open", { listenAddress: `${own}:${this.#address.port}` });
  }

  async stop(): Promise<void> {
    // An API that could not be loaded has nothing to close.
    const api = await this.#api?.catch(() => undefined);
    api?.end?.();
    await closeServer(this.#server, this.#options.clock);
    await api?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#guard(request);
    const target = readProxyTarget(request);
    if (target !== undefined) {
      await serveProxy(this.#options.mesh.proxy, request, response, target);
      return;
    }
    const handler = this.#handler(request);
    if (handler === undefined) await this.#serveApi(request, response);
    else {
      const { status, body } = await handler(request);
      sendJson(response, status, body);
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#guard(request);
    const target = readProxyTarget(request);
    if (target === undefined) throw new MeshError("MESH_NOT_FOUND");
    await upgradeProxy(this.#options.mesh.proxy, request, socket, head, target);
  }

  #guard(request: IncomingMessage): void {
    const { method = "", headers, socket } = request;
    const path = pathOf(request);
    // What a proxy on this machine passes on, somebody else asks for.
    if (isLoopbackAddress(socket.remoteAddress ?? "") && !isForwarded(headers)) {
      guardLoopback({ method, path, headers }, socket.localPort ?? this.#options.port);
    } else this.#guardOthers(request, path);
  }

  /** Health is for probes, which have no certificate; the rest of this door is the operator's. */
  #guardOthers(request: IncomingMessage, path: string): void {
    if (HEALTH_PATH.test(path)) return;
    const { isViewer = () => false } = this.#options;
    if (isViewRequest(request, path, isViewer)) return;
    throw new MeshError("MESH_FORBIDDEN", {
      message: "this port serves only health to other machines, and /mesh/ to named viewers",
      hint: "Ask on the machine of the node without a proxy, or the coordinator with an API key.",
    });
  }

  async #serveApi(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { api: load } = this.#options;
    if (load === undefined || !API_PATH.test(pathOf(request))) throw notHere(request);
    this.#api ??= load();
    const api = await this.#api;
    api.serve(request, response);
  }

  #handler(request: IncomingMessage): Handler | undefined {
    const { mesh, health, ready } = this.#options;
    const path = pathOf(request);
    const healthy = async (look: () => Promise<HealthResponse>) => {
      const body = await look();
      return { status: healthStatus(body), body };
    };
    switch (`${request.method} ${path}`) {
      case "GET /health":
        return () => healthy(health);
      case "GET /health/live":
        return async () => ({ status: 200, body: { status: "ok", checks: [] } });
      case "GET /health/ready":
        return () => healthy(ready);
      case "GET /mesh/status":
        return async () => ({ status: 200, body: mesh.status() });
      case "GET /mesh/peers":
        return async () => ({ status: 200, body: mesh.peers() });
      case "GET /mesh/routes":
        return async () => ({ status: 200, body: mesh.routes() });
      case `GET ${SERVICES_PATH}`:
        return async () => ({ status: 200, body: { services: mesh.services() } });
      case `POST ${SERVICES_PATH}`:
        return async (incoming) => ({ status: 201, body: await this.#addService(incoming) });
    }
    if (request.method === "DELETE" && path.startsWith(`${SERVICES_PATH}/`)) {
      const name = decodeURIComponent(path.slice(SERVICES_PATH.length + 1));
      return async () => ({ status: 200, body: await mesh.removeService(name) });
    }
    return undefined;
  }

  async #addService(request: IncomingMessage): Promise<unknown> {
    const { ServiceAddRequest } = await import("../contracts/services.js");
    const body = await readJson(request, limits.HTTP_ENROL_BYTES_MAX);
    const parsed = ServiceAddRequest.safeParse(body, { error: issueWords });
    if (!parsed.success) throw refusedFields("body", parsed.error.issues);
    return { service: await this.#options.mesh.addService(parsed.data) };
  }
}

function notHere(request: IncomingMessage): MeshError {
  return new MeshError("MESH_NOT_FOUND", {
    message: `there is no ${request.method} ${pathOf(request).slice(0, 200)} on this node`,
    hint:
      "This node is not its member's coordinator. Files, invites and keys are asked for there: " +
      "on its machine, or with an identity (`mesh invite redeem`).",
  });
}

function pathOf(request: IncomingMessage): string {
  const { url = "/" } = request;
  const at = url.indexOf("?");
  return at < 0 ? url : url.slice(0, at);
}
