/** Where a node can be reached: what it says, and what the coordinator sees. */
import { isIP } from "node:net";

const LOOPBACK = /^(127\.|::1$|localhost$|::ffff:127\.)/;

/**
 * The node's announced addresses with the one that the link came from: the remote host with the
 * node's own link port. It stands first, because it is known to work from here; a loopback address
 * stands last, because it works on this machine alone.
 */
export function reachableAddresses(announced: readonly string[], remote: string): string[] {
  const seen = splitAddress(remote);
  const port = announced.map(splitAddress).find((one) => one !== undefined)?.port;
  // A link within the process comes from no address that others could dial.
  if (seen === undefined || isIP(seen.host) === 0 || port === undefined) {
    return [...new Set(announced)];
  }
  const address = joinAddress(seen.host, port);
  const isLocal = LOOPBACK.test(seen.host);
  return [...new Set(isLocal ? [...announced, address] : [address, ...announced])];
}

interface HostAndPort {
  readonly host: string;
  readonly port: string;
}

/** `host:port`, `[v6]:port` or `v6:port` as `node:net` prints it; undefined for anything else. */
function splitAddress(text: string): HostAndPort | undefined {
  const match = /^(?:\[([^\]]+)\]|(.+)):(\d{1,5})$/.exec(text);
  const host = (match?.[1] ?? match?.[2])?.replace(/^::ffff:(?=\d+\.)/, "");
  const port = match?.[3];
  return host === undefined || port === undefined ? undefined : { host, port };
}

function joinAddress(host: string, port: string): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
