/**
 * The services of the mesh, asked of a node: which there are, adding and removing those of that
 * node, and a connection to one of them through the node's HTTP door.
 */
import http from "node:http";
import { connect, type Socket } from "node:net";
import { MeshError } from "@hearthmesh/core";
import type {
  ServiceAddRequest,
  ServiceRemoveResponse,
  ServiceResponse,
  ServicesResponse,
} from "@hearthmesh/gateway/contracts";
import { readJson, requireSuccess } from "./answers.js";
import type { HttpAnswer, HttpRequest } from "./http-connection.js";
import { networkError } from "./network-errors.js";

/** `ApiClient`, or one `HttpConnection`. */
export interface ServiceDoor {
  send(request: HttpRequest): Promise<HttpAnswer>;
}

const SERVICES = "/api/mesh/services";
const CALL_IDLE_TIMEOUT_MS = 15_000;

/** Services of all nodes. */
export async function listServices(door: ServiceDoor): Promise<ServicesResponse> {
  return readJson(await call(door, "GET", SERVICES));
}

/** Offers a program of the node that is asked. */
export async function addService(
  door: ServiceDoor,
  request: ServiceAddRequest,
): Promise<ServiceResponse> {
  return readJson(await call(door, "POST", SERVICES, request));
}

/** Takes a service of the node that is asked out of the mesh. */
export async function removeService(
  door: ServiceDoor,
  name: string,
): Promise<ServiceRemoveResponse> {
  return readJson(await call(door, "DELETE", `${SERVICES}/${encodeURIComponent(name)}`));
}

function call(door: ServiceDoor, method: string, path: string, body?: object) {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  return door.send({
    method,
    path,
    headers,
    idleTimeoutMs: CALL_IDLE_TIMEOUT_MS,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

export interface TunnelOptions {
  /** The loopback door of a node on this machine: `host:port` of `ApiClient.address`. */
  readonly door: { readonly host: string; readonly port: number };
  /** A service, capability or node, as in `/api/mesh/route/<target>/`. */
  readonly target: string;
  readonly signal?: AbortSignal;
  /** Until the service is connected. Default 30 s. */
  readonly timeoutMs?: number;
}

export interface Tunnel {
  /** The connection to the service; each direction ends on its own. */
  readonly socket: Socket;
  readonly node: string;
  readonly service: string;
}

/** As the gateway names it. */
const TCP_UPGRADE = "hearthmesh-tcp";
const TUNNEL_TIMEOUT_MS = 30_000;

/** One TCP connection to a service, by `Upgrade: hearthmesh-tcp`. Failures are `MeshError`s. */
export function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { door, target, signal, timeoutMs = TUNNEL_TIMEOUT_MS } = options;
  const { host, port } = door;
  const address = `${host}:${port}`;
  return new Promise((resolve, reject) => {
    const request = http.request({
      host,
      port,
      path: `/api/mesh/route/${encodeURIComponent(target)}/`,
      headers: { connection: "Upgrade", upgrade: TCP_UPGRADE },
      timeout: timeoutMs,
      // A kept connection of an agent would end both directions together.
      createConnection: () => connect({ host, port, allowHalfOpen: true, noDelay: true }),
      ...(signal === undefined ? {} : { signal }),
    });
    request.once("upgrade", (response, upgraded, head) => {
      const socket = upgraded as Socket;
      socket.setTimeout(0);
      socket.setKeepAlive(true, 60_000);
      if (head.length > 0) socket.unshift(head);
      const { "x-mesh-node": node, "x-mesh-service": service } = response.headers;
      resolve({ socket, node: String(node ?? ""), service: String(service ?? target) });
    });
    request.once("response", (body) => {
      const answer = { status: body.statusCode ?? 0, headers: body.headers, body };
      const old = () =>
        new MeshError("MESH_PROTOCOL", {
          message: `${address} does not give connections to services`,
        });
      requireSuccess(answer)
        .then(() => reject(old()), reject)
        .finally(() => body.destroy());
    });
    request.once("timeout", () => {
      request.destroy(new MeshError("MESH_TIMEOUT", { message: `${address}: no answer came` }));
    });
    request.on("error", (error) => reject(networkError(error, address)));
    request.end();
  });
}
