/** The head of an HTTP/1.1 answer: status line and header lines (RFC 9112, sections 4 to 6). */
import { MeshError } from "@hearthmesh/core";
import { PROXY_HEADERS_MAX } from "./limits.js";

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Names and values in turn, as they came. */
  readonly lines: readonly string[];
  /** How long the body is, when the status allows one. */
  readonly bodyLength: number | "chunked" | "until-close";
  readonly keepAlive: boolean;
  /** Seconds for which the service keeps an idle connection, when it says so. */
  readonly keepAliveSeconds: number | undefined;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
/** `token` of RFC 9110, 5.6.2. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** No control character but the tab. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const DIGITS = /^\d{1,15}$/;

/** `text` has no final CRLF. Throws `MESH_PROTOCOL`. */
export function parseHead(text: string): ResponseHead {
  const lines = text.split("\r\n");
  const status = STATUS_LINE.exec(lines[0] ?? "");
  if (status === null) throw wrong("its status line is not one of HTTP/1.1");
  lines.shift();
  const fields = parseHeaderLines(lines);
  const { length, coding, connection, keepAlive } = framingFields(fields);
  const isOld = status[1] === "0";
  if (coding !== undefined && (isOld || length !== undefined)) {
    throw wrong("it gives the length of its body in two ways");
  }
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    throw wrong("it uses a transfer coding that is not `chunked`");
  }
  const timeout = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(keepAlive ?? "");
  return {
    status: Number(status[2]),
    reason: status[3] ?? "",
    lines: fields,
    bodyLength: coding !== undefined ? "chunked" : (length ?? "until-close"),
    keepAlive: !isOld && !/(?:^|,)\s*close\s*(?:,|$)/i.test(connection ?? ""),
    keepAliveSeconds: timeout === null ? undefined : Number(timeout[1]),
  };
}

/** Names and values in turn. */
export function parseHeaderLines(lines: readonly string[]): string[] {
  if (lines.length > PROXY_HEADERS_MAX)
    throw wrong(`it has more than ${PROXY_HEADERS_MAX} headers`);
  const fields: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    if (colon < 1 || !NAME.test(name)) throw wrong("it has a header line that is none");
    const value = line.slice(colon + 1).trim();
    if (!VALUE.test(value)) throw wrong("one of its headers has control characters");
    fields.push(name, value);
  }
  return fields;
}

function framingFields(fields: readonly string[]) {
  let length: number | undefined;
  let coding: string | undefined;
  let connection: string | undefined;
  let keepAlive: string | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? "";
    const value = fields[at + 1] ?? "";
    // Lengths are looked at first: most headers are none of the four.
    switch (name.length) {
      case 14:
        if (name.toLowerCase() === "content-length") length = lengthOf(value, length);
        break;
      case 17:
        if (name.toLowerCase() !== "transfer-encoding") break;
        if (coding !== undefined) throw wrong("it has two transfer codings");
        coding = value;
        break;
      case 10:
        if (name.toLowerCase() === "connection") connection = joined(connection, value);
        else if (name.toLowerCase() === "keep-alive") keepAlive = joined(keepAlive, value);
        break;
    }
  }
  return { length, coding, connection, keepAlive };
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before},${value}`;
}

function lengthOf(value: string, before: number | undefined): number {
  if (!DIGITS.test(value)) throw wrong("its Content-Length is not a number");
  const length = Number(value);
  if (before !== undefined && before !== length) throw wrong("it has two lengths");
  return length;
}

function wrong(what: string): MeshError {
  return new MeshError("MESH_PROTOCOL", { message: `the answer of the service is wrong: ${what}` });
}
