/** The body of an upload as a source for a `FileClient`. */

import type { IncomingMessage } from "node:http";
import { MeshError } from "@hearthmesh/core";

/**
 * The pieces of the body as they come; the socket is read only as fast as they are taken. When the
 * taker stops before the end, the connection stays open, so that an answer can still be sent.
 */
export async function* bodySource(
  request: IncomingMessage,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false })) {
      yield piece as Uint8Array;
    }
  } catch (cause) {
    // The body broke off: what came is not the file, so nothing of it may be kept.
    throw new MeshError("MESH_CANCELLED", { message: "the upload broke off", cause });
  }
}
