/**
 * Server-sent events (WHATWG HTML, 9.2.6 "Interpreting an event stream"): bytes in any pieces to
 * events. Pure. Bounded: an event above `EVENT_CHARACTERS_MAX` is `MESH_PROTOCOL`.
 */
import { limits, MeshError } from "@hearthmesh/core";

export interface ServerEvent {
  /** `message` when the stream names none. */
  readonly type: string;
  readonly data: string;
  /** Of this event; undefined when it has none of its own. */
  readonly id: string | undefined;
}

/** The largest is a transaction of 8 MiB with its values in base64. */
const EVENT_CHARACTERS_MAX = limits.HTTP_ANSWER_BYTES_MAX;
const LINE_END = /\r\n|\n|\r/g;

export class EventParser {
  readonly #decoder = new TextDecoder();
  /** The line that has not ended, in pieces, so that a long one is joined only once. */
  #pieces: string[] = [];
  #characters = 0;
  #afterReturn = false;
  #type = "";
  #data: string[] = [];
  #id: string | undefined;

  /** The events that these bytes complete. Comments and unknown fields are passed over. */
  feed(bytes: Uint8Array): ServerEvent[] {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return [];
    // The second half of a line end whose first half came before.
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    this.#afterReturn = text.endsWith("\r");
    const events: ServerEvent[] = [];
    let start = 0;
    for (const match of text.matchAll(LINE_END)) {
      this.#keep(text.slice(start, match.index));
      start = match.index + match[0].length;
      const event = this.#line(this.#pieces.join(""));
      this.#pieces = [];
      if (event !== undefined) events.push(event);
    }
    this.#keep(text.slice(start));
    return events;
  }

  #keep(piece: string): void {
    if (piece === "") return;
    this.#characters += piece.length;
    if (this.#characters > EVENT_CHARACTERS_MAX) {
      throw new MeshError("MESH_PROTOCOL", { message: "an event of the watch is too long" });
    }
    this.#pieces.push(piece);
  }

  #line(line: string): ServerEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else {
      // Only data is kept up to the end of the event.
      this.#characters -= line.length;
      if (field === "event") this.#type = value;
      else if (field === "id" && !value.includes("\0")) this.#id = value;
    }
    return undefined;
  }

  #dispatch(): ServerEvent | undefined {
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#type = "";
    this.#data = [];
    this.#id = undefined;
    this.#characters = 0;
    return isEmpty ? undefined : event;
  }
}
