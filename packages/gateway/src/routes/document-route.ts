/** `GET /openapi.json`. The document is made at the first request: most nodes are never asked. */
import type { Endpoint } from "../contracts/index.js";
import { openApiDocument } from "../openapi/lazy-document.js";
import { defineRoute, type Route } from "../server/route.js";

const ENDPOINT: Endpoint = {
  method: "GET",
  path: "/openapi.json",
  tag: "page",
  summary: "This API as OpenAPI 3.1",
};

export function documentRoute(): Route {
  let text: Promise<string> | undefined;
  return defineRoute(ENDPOINT, "public", async ({ reply }) => {
    text ??= makeText();
    reply.header("content-type", "application/json; charset=utf-8").send(await text);
    return undefined;
  });
}

async function makeText(): Promise<string> {
  return `${JSON.stringify(await openApiDocument())}\n`;
}
