/**
 * The newcomer's end of a control plane's tunnel (`mesh-control-plane`): a port on loopback whose
 * connections come out at the enrolment door of the pool's admin. What goes through is the same TLS
 * as on the direct way, checked against the same pin; the tunnel itself is trusted with nothing.
 */
import http from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { MeshError } from "@hearthmesh/core";
import { ENROLMENT_UPGRADE } from "@hearthmesh/gateway/control-plane";
import { problemOf } from "./answers.js";
import { readText } from "./http-connection.js";
import { networkError } from "./network-errors.js";

export interface EnrolmentTunnel {
  /** `127.0.0.1:port`: an address of the enrolment door while the tunnel is open. */
  readonly address: string;
  close(): Promise<void>;
}

const ANSWER_MS_MAX = 15_000;
const CONNECTIONS_MAX = 8;

/**
 * Asks whether the control plane serves the pool, then opens the port. Throws `MESH_BAD_REQUEST`
 * for what is no http:// address, `MESH_POOL_UNKNOWN`, `MESH_UNREACHABLE`.
 */
export async function openEnrolmentTunnel(url: string, poolId: string): Promise<EnrolmentTunnel> {
  const base = parseUrl(url);
  const pool = `/api/pools/${encodeURIComponent(poolId)}`;
  await ask(new URL(pool, base));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    passOn(socket, new URL(`${pool}/enrolment`, base));
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function parseUrl(url: string): URL {
  const text = url.includes("://") ? url : `http://${url}`;
  if (URL.canParse(text) && new URL(text).protocol === "http:") return new URL(text);
  throw new MeshError("MESH_BAD_REQUEST", {
    message: `${JSON.stringify(url.slice(0, 200))} is no address of a control plane`,
    hint: "Write it as mesh-control-plane shows it: http://192.168.1.10:8080.",
  });
}

function ask(url: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { timeout: ANSWER_MS_MAX, agent: false });
    request.once("timeout", () => request.destroy(noAnswer(url)));
    request.once("error", (error) => reject(networkError(error, url.host)));
    request.once("response", (response) => {
      const { statusCode = 0 } = response;
      readText(response).then((text) => {
        if (statusCode < 400) resolve();
        else reject(problemOf(statusCode, text));
      }, reject);
    });
  });
}

/** The connection ends when the control plane refuses it; the address is tried no further. */
function passOn(socket: Socket, url: URL): void {
  const headers = { connection: "Upgrade", upgrade: ENROLMENT_UPGRADE };
  const request = http.get(url, { headers, timeout: ANSWER_MS_MAX, agent: false });
  const give = () => socket.destroy();
  request.once("timeout", () => request.destroy());
  request.once("error", give);
  request.once("response", (response) => {
    response.destroy();
    give();
  });
  request.once("upgrade", (_response, door, head) => {
    door.on("error", give);
    door.once("close", give);
    socket.once("close", () => door.destroy());
    (door as Socket).setTimeout(0);
    if (head.length > 0) socket.write(head);
    socket.pipe(door).pipe(socket);
  });
}

function noAnswer(url: URL): MeshError {
  return new MeshError("MESH_TIMEOUT", { message: `${url.host}: no answer came in time` });
}
