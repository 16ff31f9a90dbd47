/** Writing to a client only as fast as it takes the bytes. */
import type { ServerResponse } from "node:http";
import { type Clock, MeshError, type Timer } from "@hearthmesh/core";

/**
 * Resolves when the client has room again; rejects with `MESH_CANCELLED` when it has gone. One that
 * takes nothing for `slowMs` is cut.
 */
export function writePatiently(
  response: ServerResponse,
  text: string,
  { clock, slowMs }: { readonly clock: Clock; readonly slowMs: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (response.destroyed) return reject(gone("the client went away"));
    if (response.write(text)) return resolve();
    let timer: Timer | undefined;
    const settle = (done: () => void) => {
      timer?.cancel();
      response.off("drain", onDrain);
      response.off("close", onClose);
      done();
    };
    const onDrain = () => settle(resolve);
    const onClose = () => settle(() => reject(gone("the client went away")));
    timer = clock.setTimeout(() => {
      settle(() => reject(gone("the client takes nothing")));
      response.destroy();
    }, slowMs);
    response.once("drain", onDrain);
    response.once("close", onClose);
    return undefined;
  });
}

function gone(message: string): MeshError {
  return new MeshError("MESH_CANCELLED", { message });
}
