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
  let signal: AbortSignal | undefined;
  return {
    params: request.params as undefined,
    query: request.query as undefined,
    body: request.body as undefined,
    get caller() {
      if (caller === undefined) throw new MeshError("MESH_UNAUTHENTICATED");
      return caller;
    },
    // Made when it is asked for: a signal costs more than many a whole request.
    get signal() {
      signal ??= cancelSignal(reply);
      return signal;
    },
    request,
    reply,
  };
}

/** The response's `close` comes for both ends; it was a loss when nothing was finished before. */
function cancelSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const response = reply.raw;
  const onClose = () => {
    if (response.writableFinished) return;
    controller.abort(new MeshError("MESH_CANCELLED", { message: "the client went away" }));
  };
  if (response.destroyed) onClose();
  else response.once("close", onClose);
  return controller.signal;
}
