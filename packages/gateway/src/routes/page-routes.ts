/** The first page and its files, for the loopback door. */
import type { Endpoint } from "../contracts/index.js";
import { isUnchanged } from "../files/conditions.js";
import type { PageFile } from "../page/page-files.js";
import { defineRoute, type Route } from "../server/route.js";

export function pageRoutes(files: ReadonlyMap<string, PageFile>): Route[] {
  return [...files].map(([path, { etag, bytes, contentType }]) => {
    const endpoint: Endpoint = { method: "GET", path, tag: "page", summary: "First page" };
    return defineRoute(endpoint, "public", async ({ request, reply }) => {
      // A 304 too: what it says replaces what the browser kept with the page (RFC 9111, 4.3.4).
      const policy = contentSecurityPolicy(request.headers.host ?? "");
      reply.headers({ "content-security-policy": policy });
      reply.headers({ etag: `"${etag}"`, "cache-control": "no-cache" });
      if (isUnchanged(request.headers["if-none-match"], etag)) {
        reply.code(304).send();
        return undefined;
      }
      reply.header("content-type", contentType);
      reply.send(bytes);
      return undefined;
    });
  });
}

/**
 * Scripts and styles come from `/assets/` alone, since people's own files are in the same origin.
 * The guard of the door has checked the host. An IPv6 address cannot stand in a policy (CSP 3,
 * 2.3.1).
 */
function contentSecurityPolicy(host: string): string {
  const origin = `http://${host}`;
  const assets = host.startsWith("[") ? "'self'" : `${origin}/assets/`;
  return [
    "default-src 'none'",
    `script-src ${assets}`,
    `style-src ${assets}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}
