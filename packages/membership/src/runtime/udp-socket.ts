/** The socket of membership; handed in, so that a test or the simulator can lose datagrams. */
import { createSocket } from "node:dgram";
import { isIP, isIPv4 } from "node:net";
import { MeshError } from "@hearthmesh/core";
import type { Address } from "@hearthmesh/qwormhole";

export interface UdpSocket {
  /** The address that it has; its port is never 0. */
  readonly address: Address;
  /** Fire and forget: what cannot be sent is lost. `host` is an IP address. */
  send(bytes: Uint8Array, to: Address): void;
  close(): Promise<void>;
}

/**
 * Resolves when it is bound; rejects with `MESH_PORT_TAKEN` or the system's error. `source` is
 * `host:port`.
 */
export type UdpSocketFactory = (
  address: Address,
  onDatagram: (bytes: Uint8Array, source: string) => void,
  onError: (error: Error) => void,
) => Promise<UdpSocket>;

const MAPPED_PREFIX = "::ffff:";
/** Datagrams that wait here while this process stands still: 2 s of a large mesh. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** A socket of the operating system; one on `::` speaks both families. */
export const systemUdpSocket: UdpSocketFactory = async (address, onDatagram, onError) => {
  const isV4 = isIPv4(address.host);
  const socket = createSocket(isV4 ? "udp4" : "udp6");
  await new Promise<void>((resolve, reject) => {
    const onBindError = (error: Error) => {
      socket.close();
      reject(bindError(error, address));
    };
    socket.once("error", onBindError);
    socket.bind({ address: address.host, port: address.port }, () => {
      socket.off("error", onBindError);
      resolve();
    });
  });
  socket.on("error", onError);
  socket.on("message", (bytes, { address: host, port }) => {
    onDatagram(bytes, formatAddress({ host, port }));
  });
  setReceiveBuffer(() => socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES), onError);
  const { address: host, port } = socket.address();
  return {
    address: { host, port },
    send: (bytes, to) => {
      const toHost = !isV4 && isIPv4(to.host) ? MAPPED_PREFIX + to.host : to.host;
      // A refused or unreachable destination is told here, and is no news.
      socket.send(bytes, to.port, toHost, () => undefined);
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
};

function bindError(cause: Error, { port }: Address): Error {
  if ((cause as { code?: unknown }).code !== "EADDRINUSE") return cause;
  const message = `the UDP port ${port} of membership is in use`;
  return new MeshError("MESH_PORT_TAKEN", { message, cause });
}

function setReceiveBuffer(set: () => void, onError: (error: Error) => void): void {
  try {
    set();
  } catch (error) {
    onError(error as Error);
  }
}

/** `host:port`, IPv6 in brackets; an IPv4 address within IPv6 as itself. */
export function formatAddress({ host, port }: Address): string {
  const mapped = host.toLowerCase().startsWith(MAPPED_PREFIX)
    ? host.slice(MAPPED_PREFIX.length)
    : host;
  return isIPv4(mapped) ? `${mapped}:${port}` : `[${host}]:${port}`;
}

/** Undefined for what is not an IP address and a port other than 0. */
export function parseUdpAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  return isIP(host) !== 0 && port > 0 && port < 65_536 ? { host, port } : undefined;
}
