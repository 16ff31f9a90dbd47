import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isQWormholeError, type QWormholeErrorCode } from "./errors.js";
import { SUBSCRIPTIONS_PER_PEER_MAX, TOPIC_BYTES_MAX, TOPIC_WORDS_MAX } from "./limits.js";
import { checkPattern, checkTopic, SubscriptionIndex } from "./topics.js";

function refused(run: () => unknown, what: RegExp, code: QWormholeErrorCode = "QW_TOPIC_INVALID") {
  expect(run).toThrow(what);
  expect(run).toThrow(expect.toSatisfy((error) => isQWormholeError(error, code)));
}

function index<S>(perSubscriberMax = SUBSCRIPTIONS_PER_PEER_MAX): SubscriptionIndex<S> {
  return new SubscriptionIndex<S>(perSubscriberMax);
}

/** The rules, word by word, without a tree. */
function fits(pattern: string, topic: string): boolean {
  const wanted = pattern.split(".");
  const words = topic.split(".");
  if (wanted.at(-1) === ">") {
    const fixed = wanted.slice(0, -1);
    return words.length > fixed.length && sameWords(fixed, words.slice(0, fixed.length));
  }
  return sameWords(wanted, words);
}

function sameWords(wanted: readonly string[], words: readonly string[]): boolean {
  const isSame = (word: string, at: number) => word === "*" || word === words[at];
  return wanted.length === words.length && wanted.every(isSame);
}

describe("topics", () => {
  it.each(["a", "mesh.eu.load", "A-b_c:1/2@x#$%", "größe.温度.🙂", "a".repeat(255)])(
    "%s is one",
    (topic) => {
      expect(() => checkTopic(topic)).not.toThrow();
      expect(() => checkPattern(topic)).not.toThrow();
    },
  );

  it.each(["*", ">", "*.*", "a.*.c", "*.>", "a.b.>", "*.b.*.>"])(
    "%s is a pattern alone",
    (text) => {
      expect(() => checkPattern(text)).not.toThrow();
      refused(() => checkTopic(text), /has a wildcard, which only a pattern may have/);
    },
  );

  it.each([
    ["", /empty word/],
    [".", /empty word/],
    ["a.", /empty word/],
    [".a", /empty word/],
    ["a..b", /empty word/],
    ["a b", /whitespace/],
    ["a.\t", /whitespace/],
    ["a\u00a0b", /whitespace/],
    ["a\u2028b", /whitespace/],
    ["a\u0000", /control/],
    ["a\u007f", /control/],
    ["a\u0085b", /control/],
    ["a\ud800", /surrogate/],
    ["a".repeat(TOPIC_BYTES_MAX + 1), /more than 255 bytes/],
    ["\u6e29".repeat(86), /more than 255 bytes/],
    [
      Array(TOPIC_WORDS_MAX + 1)
        .fill("a")
        .join("."),
      /more than 16 words/,
    ],
  ])("%j is neither", (text, what) => {
    refused(() => checkTopic(text), what);
    refused(() => checkPattern(text), what);
  });

  it.each([
    ["a*", /within a word/],
    ["**", /within a word/],
    ["a.b>", /within a word/],
    [">.a", /before its last word/],
    [">.>", /before its last word/],
  ])("%s is not a pattern", (text, what) => {
    refused(() => checkPattern(text), what);
  });

  it("are strings, and a long one is not repeated in the error", () => {
    for (const value of [undefined, null, 1, {}, ["a"]]) {
      refused(() => checkTopic(value), /is not a string/);
      refused(() => checkPattern(value), /is not a string/);
    }
    expect(() => checkTopic("x".repeat(1e6))).toThrow(
      expect.toSatisfy((error: Error) => error.message.length < 200),
    );
  });
});

describe("SubscriptionIndex", () => {
  it("finds each subscriber once, whatever number of its patterns fit", () => {
    const subscriptions = index<string>();
    for (const pattern of ["a.b", "a.*", "*.b", ">", "a.>", "*.*"]) {
      expect(subscriptions.add(pattern, "all")).toBe(true);
    }
    subscriptions.add("a.b.>", "deeper");
    subscriptions.add("a", "shorter");
    expect([...subscriptions.match("a.b")]).toEqual(["all"]);
    expect([...subscriptions.match("a.b.c")].sort()).toEqual(["all", "deeper"]);
    expect([...subscriptions.match("c.d")]).toEqual(["all"]);
  });

  it("says what is there already and what is not", () => {
    const subscriptions = index<string>();
    expect(subscriptions.add("a.*", "x")).toBe(true);
    expect(subscriptions.add("a.*", "x")).toBe(false);
    expect(subscriptions.add("a.*", "y")).toBe(true);
    expect(subscriptions.size).toBe(2);
    expect(subscriptions.has("a.*", "x")).toBe(true);
    expect(subscriptions.has("a.b", "x")).toBe(false);
    expect(subscriptions.remove("a.b", "x")).toBe(false);
    expect(subscriptions.remove("a.*", "z")).toBe(false);
    expect(subscriptions.remove("a.*", "x")).toBe(true);
    expect(subscriptions.remove("a.*", "x")).toBe(false);
    expect(subscriptions.patternsOf("x")).toEqual([]);
    expect(subscriptions.patternsOf("y")).toEqual(["a.*"]);
    expect(subscriptions.removeAll("x")).toBe(0);
    expect(subscriptions.removeAll("y")).toBe(1);
    expect([subscriptions.size, subscriptions.nodeCount]).toEqual([0, 0]);
  });

  it("refuses what is not a topic or pattern, and one more than the limits", () => {
    const subscriptions = new SubscriptionIndex<string>(2, 3);
    const full = "QW_SUBSCRIPTION_LIMIT";
    refused(() => subscriptions.add("a..b", "x"), /empty word/);
    refused(() => subscriptions.match("a.*"), /wildcard/);
    subscriptions.add("a", "x");
    subscriptions.add("b", "x");
    refused(() => subscriptions.add("c.d", "x"), /2 patterns, the most/, full);
    expect(subscriptions.add("b", "x")).toBe(false);
    subscriptions.add("a", "y");
    refused(() => subscriptions.add("c.d", "z"), /3 subscriptions in all/, full);
    expect([subscriptions.size, subscriptions.nodeCount]).toEqual([3, 2]);
    expect(subscriptions.patternsOf("z")).toEqual([]);
    subscriptions.remove("a", "x");
    expect(subscriptions.add("c.d", "x")).toBe(true);
    const make = () => new SubscriptionIndex(0);
    refused(make, /1 or above/, "QW_OPTIONS_INVALID");
  });

  it("gives what a matcher without a tree gives, through any additions and removals", () => {
    const word = fc.constantFrom("a", "b", "c", "constructor");
    const topic = fc.array(word, { minLength: 1, maxLength: 5 }).map((list) => list.join("."));
    const pattern = fc
      .tuple(
        fc.array(fc.oneof(word, fc.constant("*")), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
      )
      .map(([list, isOpen]) => [...list, ...(isOpen ? [">"] : [])].join("."));
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constant("add"), pattern, fc.nat(4)) },
      { weight: 2, arbitrary: fc.tuple(fc.constant("remove"), pattern, fc.nat(4)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("removeAll"), pattern, fc.nat(4)) },
    );
    const property = fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(topic, { minLength: 1, maxLength: 10 }),
      (steps, topics) => {
        const subscriptions = index<number>();
        const model = new Map<number, Set<string>>();
        for (const [action, text, subscriber] of steps) {
          const own = model.get(subscriber) ?? new Set<string>();
          model.set(subscriber, own);
          if (action === "add") {
            expect(subscriptions.add(text, subscriber)).toBe(!own.has(text));
            own.add(text);
          } else if (action === "remove") {
            expect(subscriptions.remove(text, subscriber)).toBe(own.delete(text));
          } else {
            expect(subscriptions.removeAll(subscriber)).toBe(own.size);
            own.clear();
          }
        }
        expect(subscriptions.size).toBe(
          [...model.values()].reduce((sum, { size }) => sum + size, 0),
        );
        for (const name of topics) {
          const expected = [...model].filter(([, own]) => [...own].some((p) => fits(p, name)));
          const found = [...subscriptions.match(name)].sort();
          expect(found).toEqual(expected.map(([subscriber]) => subscriber).sort());
        }
        for (const [subscriber, own] of model) {
          expect(subscriptions.patternsOf(subscriber)).toEqual([...own]);
          subscriptions.removeAll(subscriber);
        }
        expect([subscriptions.size, subscriptions.nodeCount]).toEqual([0, 0]);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

describe("the cost of a SubscriptionIndex", () => {
  function visitsOf(subscriptions: SubscriptionIndex<number>, topic: string): number {
    const before = subscriptions.nodesVisited;
    subscriptions.match(topic);
    return subscriptions.nodesVisited - before;
  }

  it("of a topic does not grow with patterns that begin otherwise", () => {
    const subscriptions = index<number>();
    subscriptions.add("site.*.load", 0);
    subscriptions.add("site.>", 0);
    const alone = visitsOf(subscriptions, "site.x.load");
    // Root, `site`, `>`, `*`, `load`.
    expect(alone).toBe(5);
    for (let peer = 1; peer <= 100; peer++) {
      for (let number = 0; number < 100; number++) subscriptions.add(`p${peer}.${number}.x`, peer);
    }
    expect(subscriptions.size).toBe(10_002);
    expect(visitsOf(subscriptions, "site.x.load")).toBe(alone);
    expect(visitsOf(subscriptions, "p7.3.x")).toBe(4);
    expect(visitsOf(subscriptions, "nobody")).toBe(1);
  });

  it("of a topic is at most the nodes that there are, and their root", () => {
    const subscriptions = index<number>();
    // Every mixture of the word and `*` over eight words: the worst that 256 patterns can be.
    for (let bits = 0; bits < 256; bits++) {
      const words = Array.from({ length: 8 }, (_, at) => ((bits >> at) & 1 ? "*" : "a"));
      subscriptions.add(words.join("."), bits);
    }
    const visits = visitsOf(subscriptions, "a.a.a.a.a.a.a.a");
    expect(visits).toBe(subscriptions.nodeCount + 1);
    expect(visits).toBe(2 ** 9 - 1);
    expect(visitsOf(subscriptions, "b.b.b.b.b.b.b.b")).toBe(9);
  });

  it("in nodes is shared by what begins alike, and nothing when all have left", () => {
    const subscriptions = index<number>();
    for (let peer = 0; peer < 1_000; peer++) subscriptions.add("mesh.eu.load", peer);
    expect(subscriptions.nodeCount).toBe(3);
    subscriptions.add("mesh.eu.>", 0);
    expect(subscriptions.nodeCount).toBe(4);
    for (let peer = 1; peer < 1_000; peer++) subscriptions.removeAll(peer);
    expect(subscriptions.patternsOf(0)).toEqual(["mesh.eu.load", "mesh.eu.>"]);
    subscriptions.remove("mesh.eu.load", 0);
    expect(subscriptions.nodeCount).toBe(3);
    subscriptions.removeAll(0);
    expect([subscriptions.size, subscriptions.nodeCount]).toEqual([0, 0]);
  });
});
