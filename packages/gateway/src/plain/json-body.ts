/** JSON bodies on Node's own HTTP server. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { MeshError } from "@hearthmesh/core";
import { COMMON_HEADERS } from "../server/headers.js";

/** The whole body. `MESH_BODY_TOO_LARGE`, `MESH_BAD_REQUEST`. */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request) {
    length += (piece as Buffer).length;
    if (length > bytesMax) throw new MeshError("MESH_BODY_TOO_LARGE");
    pieces.push(piece as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    throw new MeshError("MESH_BAD_REQUEST", { message: "the body is not JSON" });
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  contentType = "application/json; charset=utf-8",
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    ...COMMON_HEADERS,
    "content-type": contentType,
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
