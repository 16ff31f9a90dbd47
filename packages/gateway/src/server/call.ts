/** Makes the `Call` of a request, and cancels its work when the client goes away. */
import { MeshError } from "@hearthmesh/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Endpoint } from "../contracts/index.js";
import type { Caller } from "./policy.js";
import type { Call } from "./route.js";

export function makeCall(
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller | undefined,
): Call<Endpoint> {
  return {
    params: request.params as undefined,
    query: request.query as undefined,
    body: request.body as undefined,
    get caller() {
      if (caller === undefined) throw new MeshError("MESH_UNAUTHENTICATED");
      return caller;
    },
    signal: cancelSignal(reply),
    request,
    reply,
  };
}

/** The response's `close` comes for both ends; it was a loss when nothing was finished before. */
function cancelSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const response = reply.raw;
  response.once("close", () => {
    if (response.writableFinished) return;
    controller.abort(new MeshError("MESH_CANCELLED", { message: "the client went away" }));
  });
  return controller.signal;
}
