/** Joins two byte streams into one path, in both directions. */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/**
 * Each direction ends on its own, a full side makes its source wait, and a failure of one side
 * breaks the other off: by a reset where it is TCP, so that what came is not taken for the whole.
 * Resolves when both have ended in order; rejects with the first error, or when one was destroyed
 * before its end.
 */
export function joinDuplexes(one: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    let closed = 0;
    let failure: Error | undefined;
    const watch = (stream: Duplex, opposite: Duplex) => {
      stream.on("error", (error: Error) => {
        failure ??= error;
        breakOff(opposite, error);
      });
      stream.once("close", () => {
        if (!stream.readableEnded || !stream.writableFinished) {
          failure ??= new Error("a connection ended before its time");
          breakOff(opposite, failure);
        }
        if (++closed < 2) return;
        if (failure === undefined) resolve();
        else reject(failure);
      });
    };
    watch(one, other);
    watch(other, one);
    if (one.destroyed || other.destroyed) {
      one.destroy();
      other.destroy();
    }
    one.pipe(other);
    other.pipe(one);
  });
}

function breakOff(stream: Duplex, error: Error): void {
  if (stream instanceof Socket && !(stream instanceof TLSSocket)) stream.resetAndDestroy();
  else stream.destroy(error);
}
