/**
 * Keeps web pages out of the loopback door. A browser on this machine can be made to send requests
 * here by any page: under a foreign name that resolves to 127.0.0.1 (DNS rebinding), or as a
 * cross-site request. The first is seen by the Host header, the second by the headers that browsers
 * set and pages cannot (Fetch Metadata; Origin of RFC 6454). Programs such as curl set neither.
 */
import { MeshError } from "@hearthmesh/core";

export interface GuardedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const SAFE_METHODS = new Set(["GET", "HEAD"]);

/** Throws `MESH_FORBIDDEN` for a request that another site made. `port` is the door's own. */
export function guardLoopback(request: GuardedRequest, port: number): void {
  const host = single(request.headers.host);
  if (host === undefined || !isOwnHost(host, port)) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: "the Host header does not name this machine",
      hint: `Open http://localhost:${port}/ instead.`,
    });
  }
  const origin = single(request.headers.origin);
  if (origin !== undefined && !isOwnHost(origin.replace(/^http:\/\//i, ""), port)) {
    throw crossSite();
  }
  const site = single(request.headers["sec-fetch-site"]);
  if (site === undefined || site === "same-origin" || site === "none") return;
  // Following a link to the first page is harmless; everything else from elsewhere is not.
  if (!SAFE_METHODS.has(request.method) || !isPage(request.path)) throw crossSite();
}

const OWN_NAMES: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

function isOwnHost(host: string, port: number): boolean {
  const suffix = `:${port}`;
  const lower = host.toLowerCase();
  if (lower.endsWith(suffix)) return OWN_NAMES.has(lower.slice(0, -suffix.length));
  // A browser leaves the port out when it is the scheme's own.
  return port === 80 && OWN_NAMES.has(lower);
}

function isPage(path: string): boolean {
  return path === "/" || path.startsWith("/assets/");
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(",") : value;
}

function crossSite(): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: "the request comes from another web site",
    hint: "Use the page of this node itself, or a program such as curl.",
  });
}
