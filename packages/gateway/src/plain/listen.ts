/** Opening a port, with errors that say which port and what to do. */

import type { AddressInfo, Server } from "node:net";
import { type Clock, limits, MeshError, sleep } from "@hearthmesh/core";

export interface DoorAddress {
  readonly host: string;
  /** 0 lets the system choose; tests use that. */
  readonly port: number;
}

/** Names the flags in hints: `--api-port` for `api`. */
export type DoorFlag = "http" | "api" | "enrol" | "metrics";

/**
 * Listens, and answers with the address that was really taken. `MESH_PORT_TAKEN` when another
 * program has the port, `MESH_CONFIG_INVALID` when this machine does not have the address or the
 * port needs rights that the process lacks.
 */
export function listen(server: Server, address: DoorAddress, flag: DoorFlag): Promise<DoorAddress> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(listenError(error, address, flag));
    server.once("error", onError);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off("error", onError);
      const actual = server.address() as AddressInfo;
      resolve({ host: actual.address, port: actual.port });
    });
  });
}

function listenError(error: Error, { host, port }: DoorAddress, flag: DoorFlag): MeshError {
  const code = (error as NodeJS.ErrnoException).code;
  const details = { host, port, flag: `--${flag}-port` };
  if (code === "EADDRINUSE") {
    return new MeshError("MESH_PORT_TAKEN", {
      message: `port ${port} on ${host} is in use by another program`,
      hint:
        `Stop that program, choose another port with \`--${flag}-port\`, ` +
        "or shift all with `--port-base 100`.",
      details,
      cause: error,
    });
  }
  if (code === "EACCES") {
    return new MeshError("MESH_CONFIG_INVALID", {
      message: `this user may not open port ${port}`,
      hint: `Choose a port of 1024 or more with \`--${flag}-port\` or its variable.`,
      details,
      cause: error,
    });
  }
  return new MeshError("MESH_CONFIG_INVALID", {
    message: `cannot listen on ${host}, port ${port} (${code ?? "unknown reason"})`,
    hint:
      `Name an address of this machine with \`--${flag}-host\` or its variable; ` +
      "`mesh config show --effective --origin` tells where this one comes from.",
    details,
    cause: error,
  });
}

/** `127.0.0.0/8`, `::1`, and the IPv4 range written as IPv6. */
export function isLoopbackAddress(address: string): boolean {
  return /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$|^::1$/i.test(address);
}

/** A connection that has just become idle is looked for this often while a server closes. */
const CLOSE_STEP_MS = 25;

/**
 * Stops accepting, lets requests under way end, and cuts what is left after `STOP_TIMEOUT_MS`. A
 * connection that is kept alive is closed as soon as nothing is under way on it.
 */
export async function closeServer(server: HttpServer, clock: Clock): Promise<void> {
  if (!server.listening) return;
  let isClosed = false;
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      isClosed = true;
      resolve();
    });
  });
  const endMs = clock.monotonicMs() + limits.STOP_TIMEOUT_MS;
  while (!isClosed) {
    if (clock.monotonicMs() >= endMs) server.closeAllConnections();
    else server.closeIdleConnections();
    await Promise.race([closed, sleep(clock, CLOSE_STEP_MS)]);
  }
}

type HttpServer = Server & { closeIdleConnections(): void; closeAllConnections(): void };
