/**
 * Viewers: programs on other addresses that may read what this node sees of the mesh without a
 * key, and nothing else. The operator names their addresses; for a node in a container it is the
 * machine around it. They are callers over plaintext who proved nothing, so what they get is names,
 * states and addresses of nodes, and nothing of files, keys or people.
 */
import type { IncomingMessage } from "node:http";

/** Whether the operator named this address. */
export type IsViewer = (address: string) => boolean;

const VIEW_PATHS: ReadonlySet<string> = new Set(["/mesh/status", "/mesh/peers", "/mesh/routes"]);

/** Headers by which a proxy says that it passes on the request of somebody else. */
const FORWARDED = ["forwarded", "x-forwarded-for", "x-real-ip", "via"] as const;

/** Whether somebody else asks than who opened the connection. */
export function isForwarded(headers: IncomingMessage["headers"]): boolean {
  return FORWARDED.some((name) => headers[name] !== undefined);
}

/** `localhost` or an address, with any port: no name that a stranger lets resolve to this host. */
export function isNumericHost(host: string | undefined): boolean {
  return /^(localhost|\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])(:\d{1,5})?$/i.test(host ?? "");
}

/**
 * Whether the request is for a view, and from a program that may have it. A web page may not: not
 * under a foreign name that resolves to this machine (DNS rebinding, seen by the Host header), and
 * not from another site (Fetch Metadata, Origin). `path` is without its query.
 */
export function isViewRequest(
  request: Pick<IncomingMessage, "method" | "headers" | "socket">,
  path: string,
  isViewer: IsViewer,
): boolean {
  const { method = "", headers, socket } = request;
  if (!VIEW_PATHS.has(path) || (method !== "GET" && method !== "HEAD")) return false;
  if (isForwarded(headers)) return false;
  const site = headers["sec-fetch-site"];
  const isOwnSite = site === undefined || site === "none" || site === "same-origin";
  // A container does not know under which port it is seen.
  if (!isOwnSite || headers.origin !== undefined || !isNumericHost(headers.host)) return false;
  return isViewer(socket.remoteAddress ?? "");
}
