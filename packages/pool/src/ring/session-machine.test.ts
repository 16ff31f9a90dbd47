import { MeshError } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Answer } from "./answer.js";
import type { GenerationTimings } from "./generation.js";
import { EVENTS_UNTAKEN_MAX, REPLAN_MS_MAX, REQUESTS_WAITING_MAX } from "./limits.js";
import { type SessionEffect, type SessionEvent, SessionMachine } from "./session-machine.js";

const ROOM = { contextTokens: 64, sequencesMax: 2, rowsMax: 8 };

/** An answer whose tokens are 100, 101, ...; it ends by itself after `length` of them. */
function countingAnswer(length = Number.POSITIVE_INFINITY): Answer & { count: number } {
  return {
    wanted: 1,
    count: 0,
    next() {
      const token = 100 + this.count++;
      const ended = this.count > length;
      return { token, text: ended ? "" : `${token} `, ended, isEndToken: ended };
    },
    end: () => "",
  };
}

function request(id: number, promptTokens: number, maxTokens?: number, answer = countingAnswer()) {
  const tokens = Int32Array.from({ length: promptTokens }, (_, at) => at);
  return { kind: "request", request: { id, promptTokens: tokens, maxTokens, answer } } as const;
}

/** Follows the effects as members would: it knows which slots are open and how long they are. */
class Members {
  readonly machine = new SessionMachine();
  readonly lengths = new Map<number, number>();
  readonly tokens = new Map<number, number[]>();
  readonly ended = new Map<number, string>();
  readonly events: string[] = [];
  /** Requests in the order in which they were computed for. */
  readonly turns: number[] = [];
  compute: { id: number; rows: number; wanted: number } | undefined;
  timings: GenerationTimings | undefined;
  nowMs = 0;
  epoch = 1;
  #room = ROOM;

  step(event: SessionEvent): void {
    for (const effect of this.machine.step(event, ++this.nowMs)) this.#follow(effect);
  }

  ready(room = ROOM): void {
    this.#room = room;
    this.lengths.clear();
    this.compute = undefined;
    this.step({ kind: "ready", ...room });
  }

  lost(): void {
    this.step({ kind: "lost", epoch: this.epoch++, lostNode: "bob" });
    this.lengths.clear();
    this.compute = undefined;
  }

  /** The members do the step that was asked for. */
  work(): boolean {
    const { compute } = this;
    if (compute === undefined) return false;
    this.compute = undefined;
    const answer = this.machine.current?.answer;
    const piece = compute.wanted > 0 ? answer?.next([]) : undefined;
    this.step({ kind: "computed", piece, computeMs: 1 });
    return true;
  }

  #follow(effect: SessionEffect): void {
    if (effect.kind === "event") {
      const { id, event } = effect;
      this.events.push(`${id} ${event.kind}`);
      expect(this.ended.has(id)).toBe(false);
      if (event.kind === "text") {
        this.tokens.set(id, [...(this.tokens.get(id) ?? []), ...event.tokens]);
      }
      if (event.kind === "done") {
        this.ended.set(id, event.finishReason);
        this.timings = event.timings;
      }
      return;
    }
    if (effect.kind === "failed") {
      expect(this.ended.has(effect.id)).toBe(false);
      this.ended.set(effect.id, effect.error.code);
      return;
    }
    const { step } = effect;
    const length = this.lengths.get(step.slot);
    if (step.action === "open") {
      expect(length).toBeUndefined();
      expect(step.slot).toBeLessThan(ROOM.sequencesMax);
      this.lengths.set(step.slot, 0);
    } else if (step.action === "close") {
      expect(length).toBeDefined();
      this.lengths.delete(step.slot);
    } else if (step.action === "compute") {
      expect(this.compute).toBeUndefined();
      expect(step.position).toBe(length);
      expect(step.tokens.length).toBeGreaterThan(0);
      expect(step.tokens.length).toBeLessThanOrEqual(ROOM.rowsMax);
      expect(step.position + step.tokens.length).toBeLessThanOrEqual(this.#room.contextTokens);
      this.lengths.set(step.slot, step.position + step.tokens.length);
      this.turns.push(step.id);
      this.compute = { id: step.id, rows: step.tokens.length, wanted: step.wanted };
    }
  }
}

const expected = (count: number) => Array.from({ length: count }, (_, at) => 100 + at);

describe("SessionMachine", () => {
  it("computes a prompt in chunks, then a token at a time, until it is long enough", () => {
    const members = new Members();
    members.ready();
    members.step(request(1, 20, 3));
    while (members.work());
    expect(members.turns).toHaveLength(3 + 2);
    expect(members.tokens.get(1)).toEqual(expected(3));
    expect(members.ended.get(1)).toBe("length");
    expect(members.lengths.size).toBe(0);
    expect(members.events.at(0)).toBe("1 started");
  });

  it("ends where the answer says so, and tells no end token", () => {
    const members = new Members();
    members.ready();
    members.step(request(1, 2, 50, countingAnswer(4)));
    while (members.work());
    expect(members.tokens.get(1)).toEqual(expected(4));
    expect(members.ended.get(1)).toBe("stop");
  });

  it("takes turns between those that have a slot; the others wait their time", () => {
    const members = new Members();
    members.ready();
    for (const id of [1, 2, 3]) members.step(request(id, 2, 4));
    while (members.work());
    expect(members.turns.slice(0, 8)).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
    expect(members.turns.slice(8)).toEqual([3, 3, 3, 3]);
    for (const id of [1, 2, 3]) expect(members.tokens.get(id)).toEqual(expected(4));
  });

  it("goes on where it was after a loss, and tells nothing twice", () => {
    const members = new Members();
    members.ready();
    members.step(request(1, 20, 6));
    for (let at = 0; at < 5; at++) members.work();
    members.lost();
    expect(members.work()).toBe(false);
    members.ready();
    while (members.work());
    expect(members.tokens.get(1)).toEqual(expected(6));
    expect(members.events.filter((event) => event === "1 paused")).toHaveLength(1);
  });

  it("says how long the pause was and what was computed again", () => {
    const members = new Members();
    members.ready();
    members.step(request(1, 4, 3));
    members.work();
    members.work();
    members.lost();
    members.nowMs += 500;
    members.ready();
    members.work();
    expect(members.ended.get(1)).toBe("length");
    expect(members.timings).toMatchObject({ epochs: 2, replayedTokens: 5 });
    expect(members.timings?.pauseMs).toBeGreaterThanOrEqual(500);
    expect(members.timings?.decodeMs).toBeLessThan(100);
  });

  it("keeps the caches of others when one is cancelled, and closes its slot", () => {
    const members = new Members();
    members.ready();
    members.step(request(1, 2));
    members.step(request(2, 2, 3));
    members.step({ kind: "cancel", id: 1 });
    members.step({ kind: "cancel", id: 99 });
    while (members.work());
    expect(members.ended.has(1)).toBe(false);
    expect(members.tokens.get(2)).toEqual(expected(3));
    expect(members.lengths.size).toBe(0);
  });

  it("refuses prompts without room, and ends answers that fill the context", () => {
    const members = new Members();
    members.ready();
    members.step(request(1, 64));
    expect(members.ended.get(1)).toBe("MESH_CONTEXT_TOO_LONG");
    members.step(request(2, 60));
    while (members.work());
    expect(members.ended.get(2)).toBe("length");
    expect(members.tokens.get(2)).toEqual(expected(4));
  });

  it("lets a request wait whose events nobody takes, and refuses more than may wait", () => {
    const members = new Members();
    members.ready({ ...ROOM, contextTokens: 4096 });
    members.step(request(1, 2));
    let steps = 0;
    while (members.work()) steps++;
    expect(steps).toBeLessThanOrEqual(EVENTS_UNTAKEN_MAX);
    members.step({ kind: "taken", id: 1, events: 10 });
    expect(members.work()).toBe(true);
    for (let id = 2; id < REQUESTS_WAITING_MAX + 4; id++) members.step(request(id, 2));
    expect([...members.ended.values()]).toContain("MESH_LIMIT");
  });

  it("ends requests when no plan comes, when it leads no more, and by their own errors", () => {
    const members = new Members();
    members.ready();
    members.step(request(1, 2));
    members.lost();
    members.nowMs += REPLAN_MS_MAX;
    members.step({ kind: "tick" });
    expect(members.ended.get(1)).toBe("MESH_RING_BROKEN");
    members.ready();
    members.step(request(2, 2));
    members.compute = undefined;
    members.step({ kind: "computed", piece: new MeshError("MESH_ENGINE_FAILED"), computeMs: 0 });
    expect(members.ended.get(2)).toBe("MESH_ENGINE_FAILED");
    members.step(request(3, 2));
    members.step({ kind: "close", error: new MeshError("MESH_STOPPING") });
    expect(members.ended.get(3)).toBe("MESH_STOPPING");
  });

  it("keeps its promises in any order of events", () => {
    const action = fc.oneof(
      { weight: 8, arbitrary: fc.constant("work" as const) },
      { weight: 2, arbitrary: fc.constant("request" as const) },
      { weight: 1, arbitrary: fc.constant("lost" as const) },
      { weight: 2, arbitrary: fc.constant("ready" as const) },
      { weight: 1, arbitrary: fc.constant("cancel" as const) },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(action, fc.nat(30)), { maxLength: 120 }), (actions) => {
        const members = new Members();
        const wanted = new Map<number, number>();
        const cancelled = new Set<number>();
        const takeAll = () => {
          for (const id of wanted.keys()) members.step({ kind: "taken", id, events: 100 });
        };
        let id = 0;
        for (const [name, value] of actions) {
          if (name === "work") members.work();
          else if (name === "lost") members.lost();
          else if (name === "ready") members.ready();
          else if (name === "request") {
            wanted.set(++id, 1 + (value % 5));
            members.step(request(id, 1 + value, 1 + (value % 5)));
          } else if (wanted.size > 0) {
            const chosen = 1 + (value % id);
            if (!members.ended.has(chosen)) cancelled.add(chosen);
            members.step({ kind: "cancel", id: chosen });
          }
          takeAll();
        }
        members.ready();
        do takeAll();
        while (members.work());
        for (const [one, count] of wanted) {
          if (cancelled.has(one)) continue;
          expect(members.ended.get(one)).toBe("length");
          expect(members.tokens.get(one)).toEqual(expected(count));
        }
        expect(members.lengths.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
