/** Histories in files: written in order of time, read line by line within limits. */
import { createReadStream, createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MeshError } from "@hearthmesh/core";
import type { History, HistoryEvent, HistoryHeader } from "./format.js";
import { HISTORY_EVENTS_MAX, HISTORY_LINE_BYTES_MAX } from "./limits.js";
import { badLine, parseEvent, parseHeader } from "./parse-line.js";

/** The lines of a history, with their ends. Events of one moment: calls before answers. */
function* historyLines({ header, events }: History): Generator<string> {
  yield `${JSON.stringify(header)}\n`;
  const order = (event: HistoryEvent) => (event.type === "invoke" ? 0 : 1);
  const sorted = [...events].sort((a, b) => a.time - b.time || order(a) - order(b));
  for (const event of sorted) yield `${JSON.stringify(event)}\n`;
}

/** Replaces what the file held. */
export async function writeHistory(path: string, history: History): Promise<void> {
  await pipeline(historyLines(history), createWriteStream(path, { mode: 0o600 }));
}

export function readHistory(path: string): Promise<History> {
  return parseHistory(createReadStream(path));
}

/**
 * From the bytes of a file. `MESH_BAD_REQUEST` with the number of the first bad line;
 * `MESH_LIMIT` for more than `HISTORY_EVENTS_MAX` lines.
 */
export async function parseHistory(source: Readable): Promise<History> {
  const events: HistoryEvent[] = [];
  let header: HistoryHeader | undefined;
  let line = 0;
  let lastTime = 0;
  for await (const text of linesWithin(source)) {
    line++;
    if (header === undefined) {
      header = parseHeader(text);
      continue;
    }
    if (events.length === HISTORY_EVENTS_MAX) {
      throw new MeshError("MESH_LIMIT", {
        message: `the history has more than ${HISTORY_EVENTS_MAX} events`,
      });
    }
    const event = parseEvent(text, line);
    if (event.time < lastTime) throw badLine(line, "its time is before that of the line above");
    lastTime = event.time;
    events.push(event);
  }
  if (header === undefined) throw badLine(1, "the file is empty");
  return { header, events };
}

/** Never holds more than one line of the greatest length; an empty line is not a line. */
async function* linesWithin(source: Readable): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let line = 1;
  for await (const chunk of source) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const text = rest.subarray(0, end).toString("utf8");
      rest = rest.subarray(end + 1);
      mustFit(end, line);
      line++;
      yield text;
    }
    mustFit(rest.length, line);
  }
  if (rest.length > 0) yield rest.toString("utf8");
}

function mustFit(bytes: number, line: number): void {
  if (bytes > HISTORY_LINE_BYTES_MAX) {
    throw badLine(line, `it is longer than ${HISTORY_LINE_BYTES_MAX} bytes`);
  }
}
