/**
 * The search for an order of the calls that explains all answers, in which no call comes before
 * one that had ended before it began: linearizability, as Herlihy and Wing define it
 * ("Linearizability: a correctness condition for concurrent objects", TOPLAS 1990).
 *
 * Wing and Gong ("Testing and verifying concurrent objects", JPDC 1993) go through the orders with
 * backtracking; Lowe ("Testing for linearizability", 2017) remembers each pair of (calls placed,
 * state) so that none is looked at twice. Two more rules of our own keep calls of unknown outcome
 * from multiplying the work:
 *
 * - They are never needed at the end, so the search is over when all certain calls are placed.
 * - One of them is placed only if the next call depends on it. In an explanation with the fewest of
 *   them, no such call is followed by one that could have run just before it with the same outcome:
 *   the call of unknown outcome could be left out.
 */
export interface SearchCall {
  readonly startUs: number;
  /** Infinite for a call of unknown outcome, which may be left out. */
  readonly endUs: number;
}

export interface SequentialModel<Call, State> {
  readonly initial: State;
  /** Equal for equal states only. */
  keyOf(state: State): string;
  /** The states in which the call may leave the store, given what it answered; none: impossible. */
  step(state: State, call: Call): readonly State[];
}

export interface SearchLimits {
  readonly statesMax: number;
  readonly durationMsMax: number;
  /** Milliseconds of a monotonic clock. */
  readonly nowMs: () => number;
}

type SearchVerdict = "yes" | "no" | "unknown";

export interface SearchResult {
  readonly verdict: SearchVerdict;
  /** Configurations looked at. */
  readonly states: number;
}

/** Steps between two looks at the clock. */
const STEPS_PER_LOOK = 512;

interface Move<State> {
  /** Place in the list of certain calls, or of the others. */
  readonly index: number;
  readonly certain: boolean;
  readonly state: State;
}

/** `before`: the state under the last call of unknown outcome, while the next must depend on it. */
interface Frame<State> {
  readonly state: State;
  readonly before: State | undefined;
  readonly moves: readonly Move<State>[];
  next: number;
}

export function searchOrder<Call extends SearchCall, State>(
  calls: readonly Call[],
  model: SequentialModel<Call, State>,
  limits: SearchLimits,
): SearchResult {
  return new Search(calls, model, limits).run();
}

class Search<Call extends SearchCall, State> {
  readonly #model: SequentialModel<Call, State>;
  readonly #limits: SearchLimits;
  /** In order of their start. */
  readonly #certain: readonly Call[];
  readonly #maybe: readonly Call[];
  readonly #placed: Uint8Array;
  readonly #used: Set<number> = new Set();
  readonly #seen = new Set<string>();
  /** Certain calls before this place are all placed; none from `#high` on is. */
  #low = 0;
  #high = 0;
  #left: number;

  constructor(calls: readonly Call[], model: SequentialModel<Call, State>, limits: SearchLimits) {
    const sorted = [...calls].sort((a, b) => a.startUs - b.startUs);
    this.#model = model;
    this.#limits = limits;
    this.#certain = sorted.filter(({ endUs }) => Number.isFinite(endUs));
    this.#maybe = sorted.filter(({ endUs }) => !Number.isFinite(endUs));
    this.#placed = new Uint8Array(this.#certain.length);
    this.#left = this.#certain.length;
  }

  run(): SearchResult {
    const startMs = this.#limits.nowMs();
    const path: Move<State>[] = [];
    const frames = [this.#frame(this.#model.initial, undefined)];
    let steps = 0;
    while (this.#left > 0) {
      const frame = frames.at(-1);
      if (frame === undefined) return { verdict: "no", states: this.#seen.size };
      if (this.#seen.size > this.#limits.statesMax) return this.#unknown();
      if (++steps % STEPS_PER_LOOK === 0) {
        if (this.#limits.nowMs() - startMs > this.#limits.durationMsMax) return this.#unknown();
      }
      const move = frame.moves[frame.next++];
      if (move === undefined) {
        frames.pop();
        const last = path.pop();
        if (last !== undefined) this.#takeBack(last);
        continue;
      }
      this.#place(move);
      const before = move.certain ? undefined : frame.state;
      if (this.#left > 0 && !this.#isNew(move.state, before)) {
        this.#takeBack(move);
        continue;
      }
      path.push(move);
      frames.push(this.#frame(move.state, before));
    }
    return { verdict: "yes", states: this.#seen.size };
  }

  #unknown(): SearchResult {
    return { verdict: "unknown", states: this.#seen.size };
  }

  /** All that may come next: no unplaced certain call ended before it began. */
  #frame(state: State, before: State | undefined): Frame<State> {
    const open: number[] = [];
    let firstEnd = Number.POSITIVE_INFINITY;
    for (let index = this.#low; index < this.#certain.length; index++) {
      if (this.#placed[index] === 1) continue;
      const call = this.#certain[index] as Call;
      if (call.startUs > firstEnd) break;
      firstEnd = Math.min(firstEnd, call.endUs);
      open.push(index);
    }
    const endOf = (index: number) => (this.#certain[index] as Call).endUs;
    const moves: Move<State>[] = [];
    for (const index of open.sort((a, b) => endOf(a) - endOf(b))) {
      const call = this.#certain[index] as Call;
      if (call.startUs <= firstEnd)
        this.#addMoves(moves, call, { index, certain: true }, state, before);
    }
    for (let index = 0; index < this.#maybe.length; index++) {
      const call = this.#maybe[index] as Call;
      if (call.startUs > firstEnd) break;
      if (!this.#used.has(index)) {
        this.#addMoves(moves, call, { index, certain: false }, state, before);
      }
    }
    return { state, before, moves, next: 0 };
  }

  #addMoves(
    moves: Move<State>[],
    call: Call,
    place: { index: number; certain: boolean },
    state: State,
    before: State | undefined,
  ): void {
    const model = this.#model;
    const without =
      before === undefined ? [] : model.step(before, call).map((other) => model.keyOf(other));
    for (const next of model.step(state, call)) {
      const key = model.keyOf(next);
      if (without.includes(key)) continue;
      // One that changes nothing explains nothing.
      if (!place.certain && key === model.keyOf(state)) continue;
      moves.push({ ...place, state: next });
    }
  }

  #place({ index, certain }: Move<State>): void {
    if (!certain) {
      this.#used.add(index);
      return;
    }
    this.#placed[index] = 1;
    this.#left--;
    while (this.#placed[this.#low] === 1) this.#low++;
    this.#high = Math.max(this.#high, index + 1);
  }

  #takeBack({ index, certain }: Move<State>): void {
    if (!certain) {
      this.#used.delete(index);
      return;
    }
    this.#placed[index] = 0;
    this.#left++;
    this.#low = Math.min(this.#low, index);
    while (this.#high > this.#low && this.#placed[this.#high - 1] !== 1) this.#high--;
  }

  /** Remembers the configuration, and tells whether it was not known. */
  #isNew(state: State, before: State | undefined): boolean {
    const ahead: number[] = [];
    for (let index = this.#low; index < this.#high; index++) {
      if (this.#placed[index] === 1) ahead.push(index);
    }
    const used = [...this.#used].sort((a, b) => a - b);
    const under = before === undefined ? "" : this.#model.keyOf(before);
    const parts = [this.#low, ahead.join(), used.join(), this.#model.keyOf(state), under];
    const key = JSON.stringify(parts);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}
