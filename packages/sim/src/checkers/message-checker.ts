/**
 * Holds one-way messages to their promise: each arrives at most once, as it was sent, in the order
 * of its lane within one connection, and nothing is missing between two that arrived over the same
 * connection, unless its sender dropped and counted it.
 *
 * A flow is one sender's numbering for one receiver; a lane is what keeps its order, such as a
 * priority. Numbers begin at 1.
 */
export interface NumberedMessage {
  readonly flow: string;
  readonly lane: string;
  readonly number: number;
  readonly text: string;
  /** Monotonic. */
  readonly sentMs: number;
}

interface Lane {
  sent: number;
  readonly arrived: Set<number>;
  /** The last number of each connection. */
  readonly last: Map<string, number>;
  missing: number;
}

const LETTERS = 26;
const CODE_OF_A = 97;

/** The text that belongs to a number, so that a message that was mixed up is known. */
function textOf(number: number, length: number): string {
  return String.fromCharCode(CODE_OF_A + (number % LETTERS)).repeat(length);
}

export class MessageChecker {
  readonly #lanes = new Map<string, Lane>();
  readonly #onProblem: (problem: string) => void;
  arrived = 0;

  constructor(onProblem: (problem: string) => void) {
    this.#onProblem = onProblem;
  }

  /** The next message of a lane; `sent` has to follow. */
  next(flow: string, lane: string, length: number, sentMs: number): NumberedMessage {
    const number = this.#lane(flow, lane).sent + 1;
    return { flow, lane, number, text: textOf(number, length), sentMs };
  }

  sent({ flow, lane }: NumberedMessage): void {
    this.#lane(flow, lane).sent++;
  }

  /** The last one was not taken after all. */
  unsent({ flow, lane }: NumberedMessage): void {
    this.#lane(flow, lane).sent--;
  }

  /** `receiver` counts its messages apart when a flow has several. */
  received(message: NumberedMessage, connection: string, receiver = ""): void {
    const { flow, lane: laneName, number, text } = message;
    const what = `${flow} ${laneName} ${number}`;
    const sender = this.#lane(flow, laneName);
    const lane = receiver === "" ? sender : this.#lane(`${flow} at ${receiver}`, laneName);
    if (!(number >= 1 && number <= sender.sent)) this.#onProblem(`${what} was never sent`);
    if (text !== textOf(number, text.length)) this.#onProblem(`${what} has another's content`);
    if (lane.arrived.has(number)) this.#onProblem(`${what} arrived twice`);
    const last = lane.last.get(connection);
    if (last !== undefined) {
      if (number < last) this.#onProblem(`${what} arrived after ${last} over ${connection}`);
      else lane.missing += number - last - 1;
    }
    lane.last.set(connection, number);
    lane.arrived.add(number);
    this.arrived++;
  }

  /** Messages that are missing between others of the same connection. */
  missing(flow: string, lane: string, receiver = ""): number {
    return this.#lane(receiver === "" ? flow : `${flow} at ${receiver}`, lane).missing;
  }

  hasArrived(message: NumberedMessage, receiver = ""): boolean {
    const flow = receiver === "" ? message.flow : `${message.flow} at ${receiver}`;
    return this.#lane(flow, message.lane).arrived.has(message.number);
  }

  #lane(flow: string, name: string): Lane {
    const key = `${flow}/${name}`;
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const lane: Lane = { sent: 0, arrived: new Set(), last: new Map(), missing: 0 };
    this.#lanes.set(key, lane);
    return lane;
  }
}
