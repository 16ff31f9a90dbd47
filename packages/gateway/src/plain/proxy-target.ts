/**
 * Which service a request goes to: `/api/mesh/route/<target>/<path>`, where `<target>` is the name
 * of a service, a capability, or a node. `Upgrade: hearthmesh-tcp` asks for raw bytes there.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ServiceProxy } from "../mesh/service-proxy.js";
import { TCP_UPGRADE } from "../mesh/upgrades.js";

export interface RequestTarget {
  readonly target: string;
  /** With the query, as it came. */
  readonly path: string;
}

const PREFIX = /^\/api\/mesh\/route\/([^/?]+)([/?].*)?$/s;

/** Undefined when the request is for something else. Throws `URIError` for a bad encoding. */
export function readProxyTarget(request: IncomingMessage): RequestTarget | undefined {
  const match = PREFIX.exec(request.url ?? "");
  if (match === null) return undefined;
  const [, target = "", rest = "/"] = match;
  return {
    target: decodeURIComponent(target),
    path: rest.startsWith("/") ? rest : `/${rest}`,
  };
}

/** Throws while nothing has been answered yet. `principal` is named to the service. */
export function serveProxy(
  proxy: ServiceProxy,
  request: IncomingMessage,
  response: ServerResponse,
  { target, path }: RequestTarget,
  principal?: string,
): Promise<void> {
  return proxy.handle(request, response, { target, path, principal });
}

/** For the `upgrade` event of a server. */
export async function upgradeProxy(
  proxy: ServiceProxy,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  target: RequestTarget,
  principal?: string,
): Promise<void> {
  const isTcp = request.headers.upgrade?.toLowerCase() === TCP_UPGRADE;
  if (isTcp) await proxy.connectTcp(request, socket, head, target);
  else await proxy.upgrade(request, socket, head, { ...target, principal });
}
