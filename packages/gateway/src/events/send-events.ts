/** A stream of events on its way out. */
import type { ServerResponse } from "node:http";
import type { Clock } from "@hearthmesh/core";
import { writePatiently } from "../server/patient-write.js";
import { toMeshError } from "../server/problem.js";
import { problemOf } from "../server/problem-body.js";
import type { EventReader } from "./event-feed.js";
import { SLOW_READER_MS_MAX } from "./limits.js";

export interface SendEventsOptions {
  readonly response: ServerResponse;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** Throws when the caller may not read any more; asked before each event and heartbeat. */
  check(): void;
}

const EVENT_STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

/** Resolves when the stream has ended, whatever the reason. Closes the reader. */
export async function sendEvents(reader: EventReader, options: SendEventsOptions): Promise<void> {
  const { response, headers, clock, check } = options;
  const patience = { clock, slowMs: SLOW_READER_MS_MAX };
  response.once("close", () => reader.close());
  try {
    response.writeHead(200, { ...headers, ...EVENT_STREAM_HEADERS });
    for await (const text of reader) {
      check();
      await writePatiently(response, text, patience);
    }
  } catch (error) {
    const text = `event: failed\ndata: ${JSON.stringify(problemOf(toMeshError(error)))}\n\n`;
    await writePatiently(response, text, patience).catch(() => undefined);
  } finally {
    reader.close();
    response.end();
  }
}
