/** The coordinator's file methods over a link. */
import { decodeMessage, encodeMessage, fromWireError } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import type { CoordinatorPort } from "./ports.js";

/**
 * A port that asks for the link at every call, so that a link which closed is replaced. Errors are
 * those of the coordinator; a link that breaks is `MESH_UNREACHABLE`.
 */
export function coordinatorOverLink(
  linkTo: (signal?: AbortSignal) => Promise<Link>,
): CoordinatorPort {
  return {
    async call(method, header, body, options) {
      try {
        const link = await linkTo(options?.signal);
        const answer = await link.request(method, encodeMessage(header, body), {
          priority: "rpc",
          timeoutMs: 15_000,
          ...options,
        });
        return decodeMessage<object>(answer);
      } catch (error) {
        throw fromWireError(error);
      }
    },
  };
}
