/** The first page and its two files, for the loopback door. */
import type { Endpoint } from "../contracts/index.js";
import { isUnchanged } from "../files/conditions.js";
import type { PageFileName, PageFiles } from "../page/page-files.js";
import { defineRoute, type Route } from "../server/route.js";

const PATHS: Readonly<Record<string, PageFileName>> = {
  "/": "index.html",
  "/assets/page.css": "page.css",
  "/assets/page.js": "page.js",
};

export function pageRoutes(files: PageFiles): Route[] {
  return Object.entries(PATHS).map(([path, name]) => {
    const endpoint: Endpoint = { method: "GET", path, tag: "page", summary: "First page" };
    const file = files[name];
    return defineRoute(endpoint, "public", async ({ request, reply }) => {
      reply.headers({ etag: file.etag, "cache-control": "no-cache" });
      if (isUnchanged(request.headers["if-none-match"], file.etag.slice(1, -1))) {
        return reply.code(304).send();
      }
      const policy = contentSecurityPolicy(request.headers.host ?? "");
      reply.headers({ "content-type": file.contentType, "content-security-policy": policy });
      return reply.send(file.bytes);
    });
  });
}

/**
 * Scripts and styles come from `/assets/` alone, since people's own files are in the same origin. The
 * guard of the door has checked the host. An IPv6 address cannot stand in a policy (CSP 3, 2.3.1).
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
