/**
 * What happens on a node, for everybody who wants to hear of it while it happens: one feed for all
 * doors, so that an event has the same id at each. The format is that of `EventSource` (HTML
 * standard, 9.2); data is JSON on one line, in which a line end of any text is escaped.
 *
 * A reader has a place in the events that are kept, and no queue of its own. States: reading ->
 * cut (it fell behind what is kept) or closed (by itself, or with the feed). Invariants: a reader
 * gets every event after its place once and in order, or `missed` in their place; ids of another
 * life of the daemon are not mistaken for ids of this one.
 */
import { type Clock, MeshError, type Random, type Timer } from "@hearthmesh/core";
import { NODE_EVENTS, type NodeEventData, type NodeEventName } from "../contracts/events.js";
import { EVENT_BYTES_MAX, EVENT_HEARTBEAT_MS, EVENTS_KEPT_MAX } from "./limits.js";
import { type StreamOwner, StreamShares } from "./stream-shares.js";

export interface EventFeedOptions {
  readonly nodeName: string;
  readonly clock: Clock;
  readonly random: Random;
}

interface Kept {
  readonly sequence: number;
  readonly text: string;
}

const ID = /^([0-9a-f]{8})-(\d{1,15})$/;

export class EventFeed {
  readonly #options: EventFeedOptions;
  readonly #life: string;
  readonly #readers = new Set<EventReader>();
  readonly #shares = new StreamShares();
  #kept: Kept[] = [];
  #next = 1;
  #isClosed = false;

  constructor(options: EventFeedOptions) {
    this.#options = options;
    this.#life = Buffer.from(options.random.bytes(4)).toString("hex");
  }

  get readers(): number {
    return this.#readers.size;
  }

  publish<Name extends NodeEventName>(name: Name, data: NodeEventData<Name>): void {
    if (this.#isClosed) return;
    const sequence = this.#next;
    const id = this.#idOf(sequence);
    let text = eventText(name, data, id);
    if (Buffer.byteLength(text) > EVENT_BYTES_MAX) {
      text = eventText("missed", { reason: `An event (${name}) was too large.` }, id);
    }
    this.#next++;
    this.#kept.push({ sequence, text });
    if (this.#kept.length > EVENTS_KEPT_MAX) this.#kept.shift();
    for (const reader of this.#readers) reader.wake();
  }

  /**
   * Events from now on, or after `lastEventId` as far as they are kept. `MESH_LIMIT` when the
   * owner has no place left; `MESH_STOPPING` when the feed is closed; `MESH_BAD_REQUEST` for an id
   * that no feed gave out.
   */
  open(owner: StreamOwner, lastEventId?: string): EventReader {
    if (this.#isClosed) throw new MeshError("MESH_STOPPING");
    const place = this.#placeOf(lastEventId);
    const giveBack = this.#shares.take(owner);
    const id = this.#idOf((place ?? this.#next) - 1);
    const first = [eventText("ready", { nodeName: this.#options.nodeName }, id)];
    if (place === undefined) {
      const reason = "Events since the last one that was read are no longer there.";
      first.push(eventText("missed", { reason }));
    }
    const reader = new EventReader({
      ...{ first, clock: this.#options.clock, place: place ?? this.#next },
      after: (sequence) => this.#after(sequence),
      onClose: () => {
        giveBack();
        this.#readers.delete(reader);
      },
    });
    this.#readers.add(reader);
    return reader;
  }

  /** All streams end. */
  close(): void {
    this.#isClosed = true;
    for (const reader of this.#readers) reader.close();
  }

  #idOf(sequence: number): string {
    return `${this.#life}-${sequence}`;
  }

  /** Sequence number of the first event to send; undefined when some before it are gone. */
  #placeOf(lastEventId: string | undefined): number | undefined {
    if (lastEventId === undefined || lastEventId === "") return this.#next;
    const [, life, last] = ID.exec(lastEventId) ?? [];
    if (last === undefined) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: "`Last-Event-ID` is not the id of an event",
      });
    }
    const place = Number(last) + 1;
    return life === this.#life && place <= this.#next && place >= this.#first ? place : undefined;
  }

  get #first(): number {
    return this.#kept[0]?.sequence ?? this.#next;
  }

  /** "behind" when it is no longer there, undefined when it has not happened. */
  #after(sequence: number): string | "behind" | undefined {
    if (sequence < this.#first) return "behind";
    return this.#kept[sequence - this.#first]?.text;
  }
}

interface ReaderParts {
  readonly first: readonly string[];
  readonly place: number;
  readonly clock: Clock;
  after(sequence: number): string | "behind" | undefined;
  onClose(): void;
}

/** The texts of one stream. Iterated once; `close` ends the iteration. */
export class EventReader implements AsyncIterable<string> {
  readonly #parts: ReaderParts;
  #place: number;
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#place = parts.place;
  }

  /** There is something new. */
  wake(): void {
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#parts.onClose();
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    try {
      yield* this.#parts.first;
      while (!this.#isClosed) {
        const text = this.#parts.after(this.#place);
        if (text === "behind") {
          yield eventText("missed", { reason: "This reader was too slow: connect again." });
          return;
        }
        if (text === undefined) {
          if (await this.#isQuiet()) yield ": still here\n\n";
        } else {
          this.#place++;
          yield text;
        }
      }
    } finally {
      this.close();
    }
  }

  /** Resolves to true after `EVENT_HEARTBEAT_MS`, to false as soon as there is something. */
  #isQuiet(): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      this.#wake = () => {
        timer?.cancel();
        resolve(false);
      };
      timer = this.#parts.clock.setTimeout(() => resolve(true), EVENT_HEARTBEAT_MS);
    });
  }
}

/** `JSON.stringify` leaves no line end in its text, and names of events are our own. */
export function eventText<Name extends NodeEventName>(
  name: Name,
  data: NodeEventData<Name>,
  id?: string,
): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return `event: ${name}\n${idLine}data: ${JSON.stringify(NODE_EVENTS[name].parse(data))}\n\n`;
}
