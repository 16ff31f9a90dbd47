import { MeshError } from "@hearthmesh/core";
import { ManualClock } from "@hearthmesh/qwormhole/testing";
import { describe, expect, it } from "vitest";
import { untilAborted } from "../testing/scripted-inference.js";
import type { AnswerPiece } from "./answer-piece.js";
import { KeptAnswers, readIdempotencyKey, requestFingerprint } from "./idempotency.js";
import { ANSWER_KEPT_MS, ANSWERS_KEPT_MAX } from "./limits.js";
import { ReplayedAnswer } from "./replayed-answer.js";

const piece = (text: string): AnswerPiece => ({ kind: "data", text });
const never = () => new AbortController().signal;

async function collect(pieces: AsyncIterable<AnswerPiece>): Promise<string> {
  let text = "";
  for await (const one of pieces) text += one.text;
  return text;
}
async function settle(): Promise<void> {
  for (let at = 0; at < 20; at++) await new Promise(setImmediate);
}

describe("an answer that several read", () => {
  it("comes to each from its beginning, and to those who come late", async () => {
    const clock = new ManualClock();
    let goOn: () => void = () => undefined;
    const answer = new ReplayedAnswer({
      clock,
      onEnd: () => undefined,
      async *make() {
        yield piece("a");
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        yield piece("b");
      },
    });
    const both = [collect(answer.read(never())), collect(answer.read(never()))];
    await settle();
    goOn();
    expect(await Promise.all(both)).toEqual(["ab", "ab"]);
    expect(await collect(answer.read(never()))).toBe("ab");
    expect([answer.isOver, answer.characters]).toEqual([true, 2]);
  });

  it("is cancelled when nobody has read it for a while, and not before", async () => {
    const clock = new ManualClock();
    let reason: unknown;
    const answer = new ReplayedAnswer({
      clock,
      orphanMs: 1_000,
      onEnd: (error) => {
        reason = error;
      },
      async *make(signal) {
        yield piece("a");
        await untilAborted(signal);
      },
    });
    const first = new AbortController();
    const read = collect(answer.read(first.signal));
    await settle();
    await clock.advance(60_000);
    first.abort(new MeshError("MESH_CANCELLED"));
    await expect(read).rejects.toThrow();
    await clock.advance(999);
    await settle();
    expect(reason).toBeUndefined();
    const second = new AbortController();
    const again = collect(answer.read(second.signal));
    await clock.advance(60_000);
    second.abort(new MeshError("MESH_CANCELLED"));
    await expect(again).rejects.toThrow();
    await clock.advance(1_000);
    await settle();
    expect(reason).toMatchObject({ code: "MESH_CANCELLED" });
    await expect(collect(answer.read(never()))).rejects.toMatchObject({ code: "MESH_CANCELLED" });
  });

  it("fails for all when it fails, and when it is too long to be kept", async () => {
    const clock = new ManualClock();
    const answer = new ReplayedAnswer({
      clock,
      charactersMax: 5,
      onEnd: () => undefined,
      async *make() {
        for (;;) yield piece("abc");
      },
    });
    const both = [collect(answer.read(never())), collect(answer.read(never()))];
    for (const one of both) await expect(one).rejects.toMatchObject({ code: "MESH_LIMIT" });
  });
});

describe("kept answers", () => {
  const request = (key: string, callerId = "key/a") => ({ callerId, key, fingerprint: "f" });
  async function* made() {
    yield piece("answer");
  }

  it("belong to their caller, and are forgotten in time", async () => {
    const clock = new ManualClock();
    const kept = new KeptAnswers(clock);
    const mine = kept.answer(request("k"), made);
    expect(kept.answer(request("k"), made)).toBe(mine);
    expect(kept.answer(request("k", "key/b"), made)).not.toBe(mine);
    await settle();
    expect(kept.count).toBe(2);
    await clock.advance(ANSWER_KEPT_MS);
    expect(kept.count).toBe(0);
  });

  it("make room for new ones, but not for more than may be under way", async () => {
    const clock = new ManualClock();
    const kept = new KeptAnswers(clock);
    for (let at = 0; at < ANSWERS_KEPT_MAX; at++) kept.answer(request(`done-${at}`), made);
    await settle();
    async function* endless(signal: AbortSignal) {
      yield piece("a");
      await untilAborted(signal);
    }
    for (let at = 0; at < ANSWERS_KEPT_MAX; at++) kept.answer(request(`open-${at}`), endless);
    expect(kept.count).toBe(ANSWERS_KEPT_MAX);
    expect(() => kept.answer(request("more"), made)).toThrow(
      expect.objectContaining({ code: "MESH_LIMIT" }),
    );
  });
});

describe("an Idempotency-Key", () => {
  it("is one word, and what decides is the request, not the order of its fields", () => {
    expect(readIdempotencyKey(undefined)).toBeUndefined();
    expect(readIdempotencyKey(" a-1 ")).toBe("a-1");
    for (const wrong of ["", "a b", "ä", "x".repeat(256), ["a", "b"]]) {
      expect(() => readIdempotencyKey(wrong)).toThrow(/Idempotency-Key/);
    }
    const same = [
      { a: 1, b: { c: [1, { d: 2, e: 3 }] } },
      { b: { c: [1, { e: 3, d: 2 }] }, a: 1 },
    ];
    const [one, two] = same.map(requestFingerprint);
    expect(one).toBe(two);
    expect(requestFingerprint({ a: 1, b: { c: [{ d: 2, e: 3 }, 1] } })).not.toBe(one);
  });
});
