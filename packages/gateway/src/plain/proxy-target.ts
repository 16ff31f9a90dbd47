/**
 * Which service a request goes to: `/api/mesh/route/<target>/<path>` for HTTP, and
 * `/api/mesh/forward/<target>` for raw bytes after an upgrade. `<target>` is the name of a service,
 * a capability, or a node.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { MeshError } from "@hearthmesh/core";
import type { ServiceProxy } from "../mesh/service-proxy.js";

export interface ProxyTarget {
  readonly kind: "route" | "forward";
  readonly target: string;
  /** With the query, as it came; for `route` alone. */
  readonly path: string;
}

const PREFIX = /^\/api\/mesh\/(route|forward)\/([^/?]+)([/?].*)?$/s;

/** Undefined when the request is for something else. Throws `URIError` for a bad encoding. */
export function readProxyTarget(request: IncomingMessage): ProxyTarget | undefined {
  const match = PREFIX.exec(request.url ?? "");
  if (match === null) return undefined;
  const [, kind, target = "", rest = "/"] = match;
  return {
    kind: kind === "forward" ? "forward" : "route",
    target: decodeURIComponent(target),
    path: rest.startsWith("/") ? rest : `/${rest}`,
  };
}

/** Throws while nothing has been answered yet. `principal` is named to the service. */
export async function serveProxy(
  proxy: ServiceProxy,
  request: IncomingMessage,
  response: ServerResponse,
  target: ProxyTarget,
  principal?: string,
): Promise<void> {
  if (target.kind === "forward") {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "forwarding needs the header Upgrade: hearthmesh-tcp",
      hint: "Use `mesh forward <service> <localPort>`.",
    });
  }
  const gone = new AbortController();
  const onClose = () => {
    if (!response.writableFinished) gone.abort(new MeshError("MESH_CANCELLED"));
  };
  response.once("close", onClose);
  const { signal } = gone;
  await proxy.handle(request, response, {
    target: target.target,
    path: target.path,
    signal,
    ...(principal === undefined ? {} : { principal }),
  });
}

/** For the `upgrade` event of a server. */
export async function upgradeProxy(
  proxy: ServiceProxy,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { kind, target, path }: ProxyTarget,
  principal?: string,
): Promise<void> {
  const who = principal === undefined ? {} : { principal };
  if (kind === "forward") await proxy.connectTcp(request, socket, head, { target, ...who });
  else await proxy.upgrade(request, socket, head, { target, path, ...who });
}
