/**
 * Server-sent events of a whole-request member (WHATWG HTML, 9.2.6): bytes in any pieces to the
 * `data` of each event. Comments and other fields are passed over. Pure and bounded: an event above
 * `UPSTREAM_EVENT_CHARACTERS_MAX` is `MESH_UPSTREAM_FAILED`.
 */
import { upstreamFailed } from "./answer-piece.js";
import { UPSTREAM_EVENT_CHARACTERS_MAX } from "./limits.js";

const LINE_END = /\r\n|\n|\r/;

export class EventStreamReader {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #data: string[] = [];
  #characters = 0;

  feed(bytes: Uint8Array): string[] {
    return this.#lines(this.#rest + this.#decoder.decode(bytes, { stream: true }));
  }

  /** After the last bytes: an event that nothing followed counts too. */
  end(): string[] {
    return this.#lines(`${this.#rest}${this.#decoder.decode()}\n\n`);
  }

  #lines(text: string): string[] {
    // A return at the end may be half of a line end: it waits for what follows.
    const cut = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, cut).split(LINE_END);
    this.#rest = `${lines.pop() ?? ""}${text.slice(cut)}`;
    if (this.#rest.length > UPSTREAM_EVENT_CHARACTERS_MAX) throw tooLong();
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): string[] {
    if (line === "") {
      const event = this.#data.length === 0 ? [] : [this.#data.join("\n")];
      this.#data = [];
      this.#characters = 0;
      return event;
    }
    if (!line.startsWith("data:")) return [];
    this.#characters += line.length;
    if (this.#characters > UPSTREAM_EVENT_CHARACTERS_MAX) throw tooLong();
    this.#data.push(line.slice("data:".length).replace(/^ /, ""));
    return [];
  }
}

function tooLong() {
  return upstreamFailed("an event of the model server is too long");
}
