/**
 * What is left of an upload that was answered before its end. Closing at once would reset the
 * connection and could lose the answer on its way; reading all of it could take an hour. So a
 * bounded rest is read and dropped, then the connection ends.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { limits } from "@hearthmesh/core";

export function dropRefusedBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.readableEnded || request.destroyed) return;
  let left = limits.HTTP_REFUSED_UPLOAD_BYTES_MAX;
  request.on("data", (piece: Uint8Array) => {
    left -= piece.length;
    if (left >= 0) return;
    if (response.writableFinished) request.destroy();
    else response.once("finish", () => request.destroy());
  });
  // A handler that read a part left the stream paused; adding a listener alone does not undo that.
  request.resume();
}
