/** The network of this machine as the services use it: connections, and health checks over them. */
import http from "node:http";
import { connect, type Socket } from "node:net";
import { MeshError } from "@hearthmesh/core";
import type { ServiceDefinition } from "./service-definition.js";
import type { ServiceProber } from "./service-health.js";

/** Opens a connection to a service of this node; rejects with `MESH_UNREACHABLE`. */
export type ServiceConnector = (
  service: Pick<ServiceDefinition, "name" | "host" | "port">,
  signal: AbortSignal,
) => Promise<Socket>;

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "the host name is not known",
  EHOSTUNREACH: "there is no way to the host",
  ENETUNREACH: "there is no way to the network",
  ETIMEDOUT: "no answer came",
};

/** Half-open sockets, without Nagle's delay. */
export const connectService: ServiceConnector = (service, signal) =>
  new Promise((resolve, reject) => {
    const { host, port } = service;
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const leave = () => {
      signal.removeEventListener("abort", onAbort);
      socket.removeAllListeners("connect").removeAllListeners("error");
    };
    const fail = (reason: string, cause: unknown) => {
      leave();
      // An error after this one is of nobody's interest, but must not be unhandled.
      socket.on("error", () => {});
      socket.destroy();
      reject(unreachable(service, reason, cause));
    };
    const onAbort = () => fail("no answer came in time", signal.reason);
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => {
      leave();
      resolve(socket);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      fail(REASONS[error.code ?? ""] ?? error.code ?? "it failed", error);
    });
  });

function unreachable(
  { name, host, port }: Pick<ServiceDefinition, "name" | "host" | "port">,
  reason: string,
  cause: unknown,
): MeshError {
  return new MeshError("MESH_UNREACHABLE", {
    message: `${name} at ${host}:${port}: ${reason}`,
    hint: "Check that the program runs and that `mesh service list` shows the right port.",
    cause,
  });
}

/** Statuses from here on say that the service itself fails. */
const FAILING_STATUS = 500;
const HEALTH_HEADER_BYTES_MAX = 16 * 1024;

/** The prober of a daemon: a TCP connection, or a GET of which only the status is looked at. */
export function systemServiceProber(connector: ServiceConnector = connectService): ServiceProber {
  return async (service, signal) => {
    if (service.health.kind === "http") return probeHttp(service, signal);
    const socket = await connector(service, signal);
    socket.on("error", () => {});
    socket.destroy();
  };
}

function probeHttp(service: ServiceDefinition, signal: AbortSignal): Promise<void> {
  const { host, port, health } = service;
  return new Promise((resolve, reject) => {
    const request = http.request({
      host,
      port,
      path: health.path,
      headers: { accept: "*/*", "user-agent": "hearthmesh-health", connection: "close" },
      agent: false,
      maxHeaderSize: HEALTH_HEADER_BYTES_MAX,
      signal,
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      reject(new Error(REASONS[error.code ?? ""] ?? error.code ?? error.message));
    });
    request.once("response", (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      if (status < FAILING_STATUS) resolve();
      else reject(new Error(`it answers ${status} to GET ${health.path}`));
    });
    request.end();
  });
}
