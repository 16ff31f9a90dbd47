/**
 * What the calls do to some keys of a store, one after the other. By itself it says nothing about
 * the numbers of revisions: a revision only tells which write a compare means.
 *
 * Each key alone is a register, and a history of registers is linearizable when that of each one is
 * (locality: Herlihy and Wing). Calls that touch several keys are looked at through the keys of the
 * scope: what they did elsewhere is taken from their answer, or may be anything.
 */
import { type AtomicCall, didWrite, type Step, type StepResult } from "./atomic-calls.js";
import type { HistoryCompare } from "./format.js";
import type { SequentialModel } from "./linear-search.js";

/** `writer` is the call that put it. A key that is not in the map is missing. */
interface Held {
  readonly value: string;
  readonly writer: number;
}

/** Writer of what is in a key of which nothing is known yet: the first answer tells. */
const ANYTHING = -1;
/** Writer of what was there before the first call that is looked at. */
const BEFORE_ALL = -2;

export type ScopeState = ReadonlyMap<string, Held>;

const UNKNOWN: Held = { value: "", writer: ANYTHING };

export interface Scope {
  readonly keys: ReadonlySet<string>;
  /** Revision of each write that was answered, by its call. */
  readonly revisionOfCall: ReadonlyMap<number, number>;
  /** What the scope held before is not known; by default it held nothing. */
  readonly startsUnknown?: boolean;
}

export function revisionsOfCalls(calls: readonly AtomicCall[]): Map<number, number> {
  const revisions = new Map<number, number>();
  for (const call of calls) {
    if (call.revision !== undefined && didWrite(call)) revisions.set(call.id, call.revision);
  }
  return revisions;
}

export function storeModel(scope: Scope): SequentialModel<AtomicCall, ScopeState> {
  const model = new ScopeModel(scope);
  const initial = new Map<string, Held>();
  if (scope.startsUnknown === true) for (const key of scope.keys) initial.set(key, UNKNOWN);
  return {
    initial,
    keyOf: keyOfState,
    step: (state, call) => model.step(state, call),
  };
}

function keyOfState(state: ScopeState): string {
  const sorted = [...state].sort(([a], [b]) => (a < b ? -1 : 1));
  // A write of the history has one value; what was there before is known by its value alone.
  return JSON.stringify(
    sorted.map(([key, { writer, value }]) => [key, writer, writer < 0 ? value : ""]),
  );
}

class ScopeModel {
  readonly #scope: Scope;
  readonly #acked: ReadonlySet<number>;

  constructor(scope: Scope) {
    this.#scope = scope;
    this.#acked = new Set(scope.revisionOfCall.values());
  }

  step(state: ScopeState, call: AtomicCall): ScopeState[] {
    return this.#branches(state, call).flatMap((succeeded) => {
      const next = this.#run(state, call, succeeded ? call.success : call.failure);
      return next === undefined ? [] : [next];
    });
  }

  /** Which branches may run; the answer and the keys of the scope decide. */
  #branches(state: ScopeState, call: AtomicCall): boolean[] {
    const { succeeded, compare } = call;
    const inside = compare.filter(({ key }) => this.#scope.keys.has(key));
    const holds = inside.map((item) => this.#holds(state, item));
    const someFails = holds.includes("no");
    const allHold = inside.length === compare.length && holds.every((held) => held === "yes");
    if (succeeded === true) return someFails ? [] : [true];
    if (succeeded === false) return allHold ? [] : [false];
    if (someFails) return [false];
    return allHold ? [true] : [true, false];
  }

  #holds(state: ScopeState, compare: HistoryCompare): "yes" | "no" | "maybe" {
    const held = state.get(compare.key);
    if (held?.writer === ANYTHING) return "maybe";
    if (compare.value !== undefined) return (held?.value ?? null) === compare.value ? "yes" : "no";
    const wanted = compare.modRevision ?? compare.createRevision ?? 0;
    if (held === undefined || wanted === 0) {
      return (held === undefined) === (wanted === 0) ? "yes" : "no";
    }
    // Which write made the key, the state does not tell.
    if (compare.createRevision !== undefined) return "maybe";
    const revision = this.#scope.revisionOfCall.get(held.writer);
    if (revision !== undefined) return revision === wanted ? "yes" : "no";
    return this.#acked.has(wanted) ? "no" : "maybe";
  }

  /** Undefined when the answer contradicts the state. */
  #run(state: ScopeState, call: AtomicCall, steps: readonly Step[]): ScopeState | undefined {
    let now = state;
    const set = (key: string, held: Held | undefined) => {
      const next = new Map(now);
      if (held === undefined) next.delete(key);
      else next.set(key, held);
      now = next;
    };
    for (const [index, step] of steps.entries()) {
      const result = call.results[index];
      if (step.type === "range") {
        if (!this.#readsRange(now, step.prefix, result, set)) return undefined;
      } else if (this.#scope.keys.has(step.key)) {
        if (step.type === "put") set(step.key, { value: step.value ?? "", writer: call.id });
        else if (step.type === "get") {
          if (!reads(now, step.key, result?.value, set)) return undefined;
        } else if (!deletes(now, step.key, result, set)) return undefined;
      }
    }
    return now;
  }

  #readsRange(
    state: ScopeState,
    prefix: string,
    result: StepResult | undefined,
    set: SetKey,
  ): boolean {
    if (result?.entries === undefined) return true;
    const seen = new Map(result.entries.map(({ key, value }) => [key, value]));
    return [...this.#scope.keys]
      .filter((key) => key.startsWith(prefix))
      .every((key) => reads(state, key, seen.get(key) ?? null, set));
  }
}

type SetKey = (key: string, held: Held | undefined) => void;

/** What it read fits what is there; where that was not known, it is known from now on. */
function reads(
  state: ScopeState,
  key: string,
  value: string | null | undefined,
  set: SetKey,
): boolean {
  if (value === undefined) return true;
  const held = state.get(key);
  if (held?.writer !== ANYTHING) return (held?.value ?? null) === value;
  set(key, value === null ? undefined : { value, writer: BEFORE_ALL });
  return true;
}

function deletes(
  state: ScopeState,
  key: string,
  result: StepResult | undefined,
  set: SetKey,
): boolean {
  const held = state.get(key);
  if (result?.deleted !== undefined && held?.writer !== ANYTHING) {
    if (result.deleted > 0 !== (held !== undefined)) return false;
  }
  set(key, undefined);
  return true;
}
