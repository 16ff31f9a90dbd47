import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeySpace } from "./key-space.js";
import type { WatchResponse, WireEvent } from "./messages.js";
import { WatchJoiner } from "./watch-joiner.js";

const keys = new KeySpace("/p/");

function put(modRevision: number, name: string, version = 1): WireEvent {
  const kv = {
    key: keys.encode(name),
    createRevision: 2,
    modRevision,
    version,
    value: Buffer.from(name),
    lease: 0,
  };
  return { type: 0, kv, prevKv: null };
}

function answer(events: WireEvent[], more: Partial<WatchResponse> = {}): WatchResponse {
  return {
    header: { revision: 0 },
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: "",
    fragment: false,
    events,
    ...more,
  };
}

describe("joining the answers of a watch", () => {
  it("gives one batch for each revision, however the answers are split", () => {
    const revision = fc.record({
      events: fc.integer({ min: 1, max: 4 }),
      gap: fc.integer({ min: 1, max: 3 }),
      endsAnswer: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(revision, { minLength: 1, maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
        (revisions, cuts) => {
          const joiner = new WatchJoiner(keys, 3);
          const expected: [number, number][] = [];
          const got: [number, number][] = [];
          let current = 2;
          let place = 0;
          let part: WireEvent[] = [];
          const send = (fragment: boolean) => {
            for (const batch of joiner.add(answer(part, { fragment }))) {
              got.push([batch.revision, batch.events.length]);
            }
            part = [];
          };
          revisions.forEach(({ events, gap, endsAnswer }, index) => {
            current += gap;
            expected.push([current, events]);
            for (let count = 0; count < events; count++) {
              part.push(put(current, `k${count}`));
              const last = count === events - 1;
              if (last && (endsAnswer || index === revisions.length - 1)) send(false);
              else if (cuts[place++ % cuts.length] === true) send(true);
            }
          });
          expect(got).toEqual(expected);
          expect(joiner.restart()).toBe(current + 1);
        },
      ),
      { seed: 5, numRuns: 300 },
    );
  });

  it("leaves out what came before its start, and moves on with progress", () => {
    const joiner = new WatchJoiner(keys, 5);
    expect(joiner.add(answer([put(4, "a"), put(5, "b")])).map((each) => each.revision)).toEqual([
      5,
    ]);
    joiner.add(answer([], { header: { revision: 90 } }));
    expect(joiner.restart()).toBe(91);
    joiner.add(answer([], { header: { revision: 95 }, created: true }));
    expect(joiner.restart()).toBe(91);
  });

  it("goes on from a revision that was cut in the middle by a lost connection", () => {
    const joiner = new WatchJoiner(keys, 5);
    expect(joiner.add(answer([put(5, "a"), put(6, "a")], { fragment: true }))).toHaveLength(1);
    expect(joiner.restart()).toBe(6);
    const [again] = joiner.add(answer([put(6, "a"), put(6, "b")]));
    expect(again?.events).toHaveLength(2);
  });

  it("is cut when the version before a change was compacted", () => {
    const joiner = new WatchJoiner(keys, 5);
    expect(() => joiner.add(answer([put(7, "a", 2)]))).toThrow(
      expect.objectContaining({ code: "MESH_STORE_COMPACTED" }),
    );
  });
});
