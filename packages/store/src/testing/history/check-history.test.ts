import { describe, expect, it } from "vitest";
import { checkHistory, WATCH_LATE } from "./check-history.js";
import type { HistoryBatch } from "./format.js";
import { historyOf, type TestCall } from "./test-histories.js";
import { reportLines } from "./words.js";

const check = (calls: readonly TestCall[]) => checkHistory(historyOf(calls), { nowMs: () => 0 });
const rulesOf = (calls: readonly TestCall[]) => [
  ...new Set(check(calls).problems.map(({ rule }) => rule)),
];
const put = (at: [number, number], value: string, revision: number, key = "k"): TestCall => ({
  at,
  ask: { op: "put", key, value },
  answer: { revision },
});
const get = (
  at: [number, number],
  value: string | null,
  modRevision: number,
  key = "k",
): TestCall => ({ at, ask: { op: "get", key }, answer: { value, modRevision } });
const lostPut = (at: [number, number], value: string, key = "k"): TestCall => ({
  at,
  ask: { op: "put", key, value },
  answer: "info",
});
const remove = (at: [number, number], deleted: number, revision: number): TestCall => ({
  at,
  ask: { op: "delete", key: "k" },
  answer: { revision, deleted },
});
const bothKeys = (at: [number, number], answer: TestCall["answer"]): TestCall => ({
  at,
  ask: {
    op: "txn",
    compare: [],
    success: [
      { type: "put", key: "k", value: "a" },
      { type: "put", key: "l", value: "b" },
    ],
    failure: [],
  },
  answer,
});
const take = (at: [number, number], revision: number): TestCall => ({
  at,
  ask: { op: "lock", key: "lock", value: `${revision}`, lease: 1 },
  answer: { succeeded: true, revision },
});
const fenced = (at: [number, number], token: number, revision: number): TestCall => ({
  at,
  ask: { op: "fenced", key: "k", value: "x", lock: "lock", token },
  answer: { succeeded: true, revision },
});
const cas = (
  at: [number, number],
  expect: { value?: string | null; modRevision?: number },
  value: string,
  [succeeded, revision]: [boolean, number],
): TestCall => ({
  at,
  ask: { op: "cas", key: "k", value, expect },
  answer: { succeeded, revision },
});
const watch = (at: [number, number], fromRevision: number, batches: HistoryBatch[]): TestCall => ({
  at,
  ask: { op: "watch", prefix: "", fromRevision },
  answer: { batches },
});
const batch = (revision: number, time: number, ...pairs: [string, string][]): HistoryBatch => ({
  revision,
  time,
  events: pairs.map(([key, value]) => ({ type: "put", key, value })),
});

describe("histories that are linearizable", () => {
  const good: Record<string, TestCall[]> = {
    "nothing at all": [],
    "a write, then its read": [put([0, 1], "a", 2), get([2, 3], "a", 2)],
    "a read that overlaps the write sees the old": [put([0, 5], "a", 2), get([1, 2], null, 0)],
    "a read that overlaps the write sees the new": [put([0, 5], "a", 2), get([1, 2], "a", 2)],
    "overlapping writes in the other order": [
      put([0, 9], "a", 3),
      put([1, 8], "b", 2),
      get([10, 11], "a", 3),
    ],
    "an unknown write that happened": [lostPut([0, 1], "a"), get([2, 3], "a", 2)],
    "an unknown write that never happened": [lostPut([0, 1], "a"), get([2, 3], null, 0)],
    "an unknown write that happened late": [
      lostPut([0, 1], "a"),
      put([2, 3], "b", 2),
      get([4, 5], "b", 2),
      get([6, 7], "a", 3),
    ],
    // Either unknown write explains the first compare; only one of them is left for the read.
    "two unknown writes, of which the first choice is wrong": [
      lostPut([0, 1], "a"),
      lostPut([0, 1], "b"),
      cas([2, 3], { value: null }, "c", [false, 2]),
      put([4, 5], "d", 3),
      get([6, 7], "a", 4),
      watch([0, 9], 2, [batch(2, 2, ["k", "b"]), batch(3, 5, ["k", "d"]), batch(4, 6, ["k", "a"])]),
    ],
    "a deletion, and one that finds nothing": [
      put([0, 1], "a", 2),
      remove([2, 3], 1, 3),
      remove([4, 5], 0, 3),
      get([6, 7], null, 0),
    ],
    "a compare by value, and one by revision": [
      put([0, 1], "a", 2),
      cas([2, 3], { value: "a" }, "b", [true, 3]),
      cas([4, 5], { modRevision: 2 }, "c", [false, 3]),
      cas([6, 7], { modRevision: 3 }, "c", [true, 4]),
      get([8, 9], "c", 4),
    ],
    "a compare of an unknown write's revision": [
      lostPut([0, 1], "a"),
      get([2, 3], "a", 2),
      cas([4, 5], { modRevision: 2 }, "b", [true, 3]),
    ],
    "a watch": [
      put([0, 1], "a", 2),
      lostPut([2, 3], "b"),
      put([4, 5], "c", 4),
      watch([0, 9], 2, [batch(2, 1, ["k", "a"]), batch(3, 4, ["k", "b"]), batch(4, 5, ["k", "c"])]),
    ],
  };
  for (const [name, calls] of Object.entries(good)) {
    it(name, () => expect(check(calls)).toMatchObject({ verdict: "linearizable", problems: [] }));
  }
});

describe("histories that are not", () => {
  const orders = "order of each key";
  const revisions = "order of revisions";
  const bad: Record<string, [TestCall[], string[]]> = {
    "a stale read": [
      [put([0, 1], "a", 2), put([2, 3], "b", 3), get([4, 5], "a", 2)],
      [revisions, orders],
    ],
    "a lost write": [
      [put([0, 1], "a", 2), get([2, 3], null, 0)],
      [revisions, orders],
    ],
    "a read of what nobody wrote": [[get([0, 1], "a", 2)], [revisions, orders]],
    "a read of a write that failed": [
      [
        { at: [0, 1], ask: { op: "put", key: "k", value: "a" }, answer: "fail" },
        get([2, 3], "a", 2),
      ],
      [revisions, orders],
    ],
    "a read before its write was asked for": [
      [get([0, 1], "a", 2), put([2, 3], "a", 2)],
      [revisions, orders],
    ],
    "two compares of one value that both succeed": [
      [
        put([0, 1], "a", 2),
        cas([2, 6], { value: "a" }, "b", [true, 3]),
        cas([3, 7], { value: "a" }, "c", [true, 4]),
      ],
      [revisions, orders],
    ],
    "two compares of one revision that both succeed": [
      [
        put([0, 1], "a", 2),
        cas([2, 6], { modRevision: 2 }, "b", [true, 3]),
        cas([3, 7], { modRevision: 2 }, "c", [true, 4]),
      ],
      [revisions, orders],
    ],
    "a compare that fails although it holds": [
      [put([0, 1], "a", 2), cas([2, 3], { value: "a" }, "b", [false, 2])],
      [revisions, orders],
    ],
    "reads that see two writes in both orders": [
      [
        put([0, 20], "a", 2),
        put([0, 20], "b", 3),
        get([1, 2], "a", 2),
        get([3, 4], "b", 3),
        get([5, 6], "a", 2),
      ],
      [revisions, orders],
    ],
    "writes whose revisions go against their time": [
      [put([0, 1], "a", 3), put([2, 3], "b", 2, "other")],
      [revisions],
    ],
    "one revision for two writes": [
      [put([0, 9], "a", 2), put([0, 9], "b", 2, "other")],
      [revisions],
    ],
    "a transaction that two reads see half of": [
      [
        bothKeys([0, 20], { succeeded: true, revision: 2, results: [{}, {}] }),
        get([1, 2], "a", 2, "k"),
        get([3, 4], null, 0, "l"),
      ],
      [revisions, "order of the whole store"],
    ],
    "a watch that leaves one out": [
      [
        put([0, 1], "a", 2),
        put([2, 3], "b", 3),
        put([4, 5], "c", 4),
        watch([0, 9], 2, [batch(2, 1, ["k", "a"]), batch(4, 5, ["k", "c"])]),
      ],
      ["watch"],
    ],
    "a watch that says it twice": [
      [put([0, 1], "a", 2), watch([0, 9], 2, [batch(2, 1, ["k", "a"]), batch(2, 2, ["k", "a"])])],
      ["watch"],
    ],
    "a watch that has another value": [
      [put([0, 1], "a", 2), watch([0, 9], 2, [batch(2, 1, ["k", "b"])])],
      ["watch"],
    ],
    "a watch that knows it beforehand": [
      [put([5, 6], "a", 2), watch([0, 9], 2, [batch(2, 1, ["k", "a"])])],
      ["watch", revisions],
    ],
    "a fenced write after a lease that ended, and the next holder": [
      [
        take([20, 21], 2),
        watch([0, 99], 2, [
          batch(2, 21, ["lock", "2"]),
          { revision: 3, time: 30, events: [{ type: "delete", key: "lock" }] },
          batch(4, 41, ["lock", "4"]),
          batch(5, 51, ["k", "x"]),
        ]),
        take([40, 41], 4),
        fenced([50, 51], 2, 5),
      ],
      [revisions, "lock"],
    ],
    "a fenced write with a token that is not given yet": [
      [fenced([10, 11], 5, 3), take([20, 21], 5)],
      ["lock"],
    ],
    "an unknown transaction of which a watch gives half": [
      [bothKeys([0, 1], "info"), watch([0, 9], 2, [batch(2, 5, ["k", "a"])])],
      [revisions],
    ],
    "an unknown write that is read before it was asked for": [
      [get([0, 1], "a", 2), lostPut([5, 6], "a")],
      [revisions, orders],
    ],
    "one call that wrote twice": [
      [put([0, 1], "a", 3), watch([0, 9], 2, [batch(2, 1, ["k", "a"]), batch(3, 2, ["k", "a"])])],
      [revisions],
    ],
    "a deletion of what was not there": [[remove([0, 1], 1, 2)], [revisions, orders]],
    "a deletion that nobody asked for": [
      [
        put([0, 1], "a", 2),
        watch([0, 9], 2, [
          batch(2, 1, ["k", "a"]),
          { revision: 3, time: 2, events: [{ type: "delete", key: "k" }] },
        ]),
      ],
      [revisions],
    ],
    "a fenced write after its lock was given back": [
      [
        take([20, 21], 2),
        {
          at: [30, 31],
          ask: { op: "unlock", key: "lock", token: 2 },
          answer: { succeeded: true, revision: 3 },
        },
        fenced([50, 51], 2, 4),
      ],
      [revisions, "lock"],
    ],
    "a fenced write after the next holder": [
      [
        take([20, 21], 2),
        {
          at: [30, 31],
          ask: { op: "unlock", key: "lock", token: 2 },
          answer: { succeeded: true, revision: 3 },
        },
        take([40, 41], 4),
        fenced([50, 51], 2, 5),
      ],
      [revisions, "lock"],
    ],
  };
  for (const [name, [calls, rules]] of Object.entries(bad)) {
    it(name, () => {
      expect(check(calls).verdict).toBe("violation");
      expect(rulesOf(calls).sort()).toEqual([...rules].sort());
    });
  }

  it("shows the few calls that contradict each other, in words", () => {
    const calls = Array.from({ length: 200 }, (_, index) => [
      put([index * 10, index * 10 + 1], `v${index}`, index + 2),
      get([index * 10 + 2, index * 10 + 3], `v${index}`, index + 2),
    ]).flat();
    calls[301] = get([1502, 1503], "v149", 151);
    const history = historyOf(calls);
    const report = checkHistory(history, { nowMs: () => 0 });
    const search = report.problems.find(({ rule }) => rule === orders);
    expect(search?.window.map(({ invoke, answer }) => [invoke.op, answer?.value])).toEqual([
      ["put", undefined],
      ["get", "v149"],
    ]);
    expect(reportLines(history, report).join("\n")).toContain(
      "it read k as v149 of revision 151, but it was v150 of revision 152",
    );
  });
});

describe("what cannot be decided", () => {
  const lostDelete: TestCall = { at: [2, 3], ask: { op: "delete", key: "k" }, answer: "info" };

  it("is a read that a revision explains which nobody saw", () => {
    const calls = [put([0, 1], "a", 2), lostDelete, put([4, 5], "x", 4, "l"), get([6, 7], null, 0)];
    expect(check(calls)).toMatchObject({
      verdict: "unknown",
      problems: [],
      doubts: [expect.stringMatching(/not all/)],
    });
    const seen = watch([0, 9], 2, [
      batch(2, 1, ["k", "a"]),
      { revision: 3, time: 3, events: [{ type: "delete", key: "k" }] },
      batch(4, 5, ["l", "x"]),
    ]);
    expect(check([...calls, seen]).verdict).toBe("linearizable");
  });

  it("is a watch that had not given everything at the end", () => {
    const { header, events } = historyOf([watch([0, 9], 2, [])]);
    const late = events.map((event) =>
      event.type === "ok" ? { ...event, type: "fail" as const, error: WATCH_LATE } : event,
    );
    const report = checkHistory({ header, events: late }, { nowMs: () => 0 });
    expect(report).toMatchObject({ verdict: "unknown", problems: [] });
  });
});

describe("bounded work", () => {
  it("says that it does not know when the search is cut short", () => {
    const calls = Array.from({ length: 12 }, (_, index) => put([0, 99], `v${index}`, 2 + index));
    calls.push(get([100, 101], "v11", 13));
    const history = historyOf(calls);
    const report = checkHistory(history, { nowMs: () => 0, statesMax: 2 });
    expect(report.verdict).toBe("unknown");
    expect(report.doubts).toHaveLength(2);
    expect(checkHistory(history, { nowMs: () => 0 }).verdict).toBe("linearizable");
  });

  it("does not multiply the work by calls of unknown outcome", () => {
    const lost = Array.from({ length: 60 }, (_, index) => lostPut([index, index], `lost${index}`));
    const calls = [...lost, put([100, 101], "a", 2), get([102, 103], "zz", 9)];
    const report = check(calls);
    expect(report.verdict).toBe("violation");
    expect(report.counts.states).toBeLessThan(1000);
  });
});
