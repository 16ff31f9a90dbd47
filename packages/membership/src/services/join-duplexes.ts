/** Joins two byte streams into one path, in both directions. */
import type { Duplex } from "node:stream";

/**
 * Each direction ends on its own, a full side makes its source wait, and a failure of one side
 * destroys the other with the same error. Resolves when both have ended in order; rejects with the
 * first error, or when one was destroyed before its end.
 */
export function joinDuplexes(one: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    let closed = 0;
    let failure: Error | undefined;
    const watch = (stream: Duplex, opposite: Duplex) => {
      stream.on("error", (error: Error) => {
        failure ??= error;
        opposite.destroy(error);
      });
      stream.once("close", () => {
        if (!stream.readableEnded || !stream.writableFinished) {
          failure ??= new Error("a connection ended before its time");
          opposite.destroy();
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
