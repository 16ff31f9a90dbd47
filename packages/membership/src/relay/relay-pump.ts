/**
 * Moves the bytes of one direction from a stream to another. Taken from `from` is only what `to`
 * has room for, up to `RELAY_PIPE_BYTES_MAX`, so that a slow reader makes the writer wait.
 */
import { fromWireError, MeshError, resetWith } from "@hearthmesh/core";
import type { LinkStream } from "@hearthmesh/qwormhole";
import { RELAY_PIPE_BYTES_MAX } from "./limits.js";

export interface PumpGate {
  /** Resolves when more bytes may pass. */
  ready(): Promise<void> | undefined;
  /** These pass now; throws when they may not. */
  pass(bytes: number): void;
}

/** Resolves when `from` has ended and `to` with it. Rejects with what broke. */
export async function pump(from: LinkStream, to: LinkStream, gate: PumpGate): Promise<void> {
  let waitingBytes = 0;
  let failure: unknown;
  let wake: (() => void) | undefined;
  const source = from.readable[Symbol.asyncIterator]();
  for (;;) {
    while (waitingBytes >= RELAY_PIPE_BYTES_MAX && failure === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (failure !== undefined) throw failure;
    await gate.ready();
    const { done, value } = await source.next();
    if (done === true) break;
    gate.pass(value.length);
    waitingBytes += value.length;
    to.write(value).then(
      () => {
        waitingBytes -= value.length;
        wake?.();
      },
      (error: unknown) => {
        failure = error;
        wake?.();
      },
    );
  }
  to.end();
}

/**
 * Breaks a stream off because of what happened to its other half: in the words of the far side,
 * which the relay only passes on, or in those of the relay.
 */
export function breakOff(stream: LinkStream, error: unknown): void {
  const { remoteCode, remoteDetails, message } = (error ?? {}) as {
    remoteCode?: unknown;
    remoteDetails?: Uint8Array;
    message?: string;
  };
  if (typeof remoteCode === "string") {
    stream.reset(remoteCode, message ?? remoteCode, remoteDetails);
    return;
  }
  const known = fromWireError(error);
  resetWith(
    stream,
    known.code === "MESH_UNREACHABLE"
      ? new MeshError("MESH_UNREACHABLE", { message: "a link on the way was lost", cause: error })
      : known,
  );
}
