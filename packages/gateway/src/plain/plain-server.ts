/**
 * Node's own HTTP server for the doors that need no framework: with the limits of all doors, and
 * whatever is thrown answered as a problem (RFC 9457).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import {
  errorFields,
  isMeshError,
  type Logger,
  limits,
  MeshError,
  type Random,
} from "@hearthmesh/core";
import { refuseUpgrade } from "../mesh/upgrades.js";
import { InFlight } from "../server/in-flight.js";
import { PROBLEM_CONTENT_TYPE, problemOf } from "../server/problem-body.js";
import { dropRefusedBody } from "../server/refused-body.js";
import { sendJson } from "./json-body.js";

export interface PlainServerOptions {
  /** For the log: `HTTP door`. */
  readonly name: string;
  /** For a whole request with its body; 0: no end. */
  readonly requestMsMax: number;
  readonly random: Random;
  readonly log: Logger;
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}

export function plainServer(options: PlainServerOptions): Server {
  const { name, requestMsMax, random, log } = options;
  const inFlight = new InFlight(limits.HTTP_REQUESTS_IN_FLIGHT_MAX);

  const asMeshError = (error: unknown): MeshError => {
    if (isMeshError(error)) return error;
    if (error instanceof URIError) {
      return new MeshError("MESH_BAD_REQUEST", { message: "the path is not percent-encoded well" });
    }
    log.error(`the ${name} failed`, errorFields(error));
    return new MeshError("MESH_INTERNAL", { cause: error });
  };

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    try {
      response.once("close", inFlight.enter());
      await options.serve(request, response);
    } catch (thrown) {
      const error = asMeshError(thrown);
      if (response.headersSent) response.destroy();
      else {
        const id = Buffer.from(random.bytes(6)).toString("hex");
        sendJson(response, error.status, problemOf(error, id), PROBLEM_CONTENT_TYPE);
      }
      dropRefusedBody(request, response);
    }
  };

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    try {
      await options.upgrade(request, socket, head);
    } catch (error) {
      refuseUpgrade(socket, asMeshError(error));
    }
  };

  const server = createServer({
    maxHeaderSize: limits.HTTP_HEADER_BYTES_MAX,
    headersTimeout: limits.HTTP_SMALL_REQUEST_MS_MAX,
    requestTimeout: requestMsMax,
  });
  server.maxConnections = limits.HTTP_CONNECTIONS_MAX;
  server.on("request", (request, response) => void serve(request, response));
  server.on("upgrade", (request, socket, head) => void upgrade(request, socket, head));
  return server;
}
