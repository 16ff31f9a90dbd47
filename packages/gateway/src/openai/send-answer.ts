/**
 * An answer on its way out: `text/event-stream` with comments while nothing comes, or JSON as a
 * whole. A client is written to only as fast as it takes the bytes; one that takes none for
 * `SLOW_CLIENT_MS_MAX` is cut.
 */
import type { ServerResponse } from "node:http";
import { type Clock, MeshError } from "@hearthmesh/core";
import { writePatiently } from "../server/patient-write.js";
import { toMeshError } from "../server/problem.js";
import type { AnswerPiece } from "./answer-piece.js";
import { SLOW_CLIENT_MS_MAX, STREAM_HEAD_WAIT_MS, STREAM_HEARTBEAT_MS } from "./limits.js";
import { openAiError } from "./openai-error.js";

export interface SendStreamOptions {
  readonly response: ServerResponse;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

type Next = IteratorResult<AnswerPiece>;

const EVENT_STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/**
 * Rejects while nothing was sent: then the error can be answered with its status. After that an
 * error is the last event. Resolves when the stream has ended or the client has gone.
 */
export async function sendStream(
  pieces: AsyncGenerator<AnswerPiece>,
  options: SendStreamOptions,
): Promise<void> {
  const { response, clock } = options;
  let next = pieces.next();
  try {
    let first = await orQuiet(next, clock, STREAM_HEAD_WAIT_MS);
    // The client may have gone meanwhile.
    if (response.destroyed) return;
    response.writeHead(200, { ...options.headers, ...EVENT_STREAM_HEADERS });
    for (;;) {
      if (first?.done === true) break;
      await write(first === undefined ? ": still here\n\n" : textOf(first.value), options);
      if (first !== undefined) next = pieces.next();
      first = await orQuiet(next, clock, STREAM_HEARTBEAT_MS);
    }
  } catch (error) {
    if (!response.headersSent) throw error;
    const body = JSON.stringify(openAiError(toMeshError(error)));
    await write(`data: ${body}\n\n`, options).catch(() => undefined);
  } finally {
    // A reader that is left early cancels what is behind it.
    void pieces.return(undefined).catch(() => undefined);
  }
  response.end();
}

/** The one piece of an answer that is sent as a whole. Reads to the end: only then it is one. */
export async function wholeAnswer(pieces: AsyncIterable<AnswerPiece>): Promise<string> {
  let whole: string | undefined;
  for await (const { kind, text } of pieces) if (kind === "data") whole = text;
  if (whole !== undefined) return whole;
  throw new MeshError("MESH_INTERNAL", { message: "an answer without an end" });
}

function textOf({ kind, text }: AnswerPiece): string {
  return kind === "note" ? `: ${text}\n\n` : `data: ${text}\n\n`;
}

function orQuiet(next: Promise<Next>, clock: Clock, quietMs: number): Promise<Next | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => resolve(undefined), quietMs);
    next.then(resolve, reject).finally(() => timer.cancel());
  });
}

function write(text: string, { response, clock }: SendStreamOptions): Promise<void> {
  return writePatiently(response, text, { clock, slowMs: SLOW_CLIENT_MS_MAX });
}
