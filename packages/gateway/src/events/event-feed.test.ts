import { type Clock, isMeshError, systemClock, systemRandom, type Timer } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NODE_EVENTS, type NodeEventName } from "../contracts/events.js";
import { HOSTILE_CHARACTERS } from "../testing/incidents.js";
import { EventFeed, eventText } from "./event-feed.js";
import { EVENT_STREAMS_OF_ONE_MAX, EVENTS_KEPT_MAX } from "./limits.js";
import { LOCAL_OPERATOR } from "./stream-shares.js";

const random = systemRandom();
const feedOf = (clock: Clock = systemClock()) => new EventFeed({ nodeName: "home", clock, random });
const peer = (at: number) =>
  ({ nodeId: "b1", name: `n${at}`, state: "alive", before: null }) as const;

interface Read {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** One event as the HTML standard reads it: fields by lines, an empty one ends it. */
function read(text: string): Read {
  expect(text.endsWith("\n\n")).toBe(true);
  const fields = text
    .slice(0, -2)
    .split("\n")
    .map((line) => line.split(/: (.*)/s).slice(0, 2));
  const of = (name: string) => fields.filter(([field]) => field === name).map(([, value]) => value);
  expect(of("data")).toHaveLength(1);
  expect(fields.length).toBeLessThanOrEqual(3);
  return { event: String(of("event")[0]), id: of("id")[0], data: JSON.parse(of("data")[0] ?? "") };
}

async function take(stream: AsyncIterator<string>, count: number): Promise<Read[]> {
  const events: Read[] = [];
  while (events.length < count) {
    const next = await stream.next();
    if (next.done === true) break;
    if (!next.value.startsWith(":")) events.push(read(next.value));
  }
  return events;
}

const iterate = (feed: EventFeed, last?: string) =>
  feed.open(LOCAL_OPERATOR, last)[Symbol.asyncIterator]();
const names = (events: readonly Read[]) => events.map(({ event, data }) => data.name ?? event);

describe("the feed of events", () => {
  it("gives each reader everything that happens from now on, in order", async () => {
    const feed = feedOf();
    feed.publish("peer", peer(0));
    const [one, two] = [iterate(feed), iterate(feed)];
    expect(names(await take(one, 1))).toEqual(["ready"]);
    const waiting = take(two, 3);
    feed.publish("peer", peer(1));
    feed.publish("healing", { mode: "paused" });
    expect(names(await waiting)).toEqual(["ready", "n1", "healing"]);
    expect(names(await take(one, 2))).toEqual(["n1", "healing"]);
  });

  it("goes on after the last event that a reader had", async () => {
    const feed = feedOf();
    const first = iterate(feed);
    for (let at = 1; at <= 5; at++) feed.publish("peer", peer(at));
    const events = await take(first, 4);
    await first.return?.(undefined);
    expect(feed.readers).toBe(0);
    expect(names(await take(iterate(feed, events.at(-1)?.id), 3))).toEqual(["ready", "n4", "n5"]);
    // The one that `ready` has is a place too: a reader that got nothing else misses nothing.
    expect(names(await take(iterate(feed, events[0]?.id), 2))).toEqual(["ready", "n1"]);
  });

  it("says so when events are gone, or were of another life of the daemon", async () => {
    const feed = feedOf();
    for (let at = 1; at <= EVENTS_KEPT_MAX + 2; at++) feed.publish("peer", peer(at));
    const life = (await take(iterate(feed), 1))[0]?.id?.split("-")[0];
    expect(names(await take(iterate(feed, `${life}-1`), 2))).toEqual(["ready", "missed"]);
    const oldest = await take(iterate(feed, `${life}-2`), 2);
    expect(names(oldest)).toEqual(["ready", "n3"]);
    const other = life === "00000000" ? "00000001" : "00000000";
    expect(names(await take(iterate(feed, `${other}-3`), 2))).toEqual(["ready", "missed"]);
    expect(names(await take(iterate(feed, `${life}-999999`), 2))).toEqual(["ready", "missed"]);
    for (const bad of ["x", "1", `${life}-`, `${life}-1\n`, "zzzzzzzz-1", `${life}-1e3`]) {
      expect(() => feed.open(LOCAL_OPERATOR, bad), bad).toThrow(/not the id of an event/);
    }
  });

  it("cuts a reader that falls behind what is kept", async () => {
    const feed = feedOf();
    const slow = iterate(feed);
    await take(slow, 1);
    for (let at = 1; at <= EVENTS_KEPT_MAX + 1; at++) feed.publish("peer", peer(at));
    expect(names(await take(slow, 2))).toEqual(["missed"]);
    expect(feed.readers).toBe(0);
  });

  it("has room for so many readers, and gives a place free", async () => {
    const feed = feedOf();
    const readers = Array.from({ length: EVENT_STREAMS_OF_ONE_MAX }, () =>
      feed.open(LOCAL_OPERATOR),
    );
    expect(() => feed.open(LOCAL_OPERATOR)).toThrow(/open already/);
    readers[0]?.close();
    readers[0]?.close();
    expect(feed.readers).toBe(EVENT_STREAMS_OF_ONE_MAX - 1);
    feed.open(LOCAL_OPERATOR);
    expect(() => feed.open(LOCAL_OPERATOR)).toThrow(/open already/);
  });

  it("ends all streams when it is closed", async () => {
    const feed = feedOf();
    const stream = iterate(feed);
    await take(stream, 1);
    const waiting = stream.next();
    feed.close();
    expect(await waiting).toMatchObject({ done: true });
    feed.publish("healing", { mode: "acting" });
    expect(() => feed.open(LOCAL_OPERATOR)).toThrow();
    try {
      feed.open(LOCAL_OPERATOR);
    } catch (error) {
      expect(isMeshError(error, "MESH_STOPPING")).toBe(true);
    }
  });

  it("says something while nothing happens", async () => {
    const timers: (() => void)[] = [];
    const clock = {
      ...systemClock(),
      setTimeout: (work: () => void): Timer => {
        timers.push(work);
        return { cancel: () => undefined } as Timer;
      },
    } as Clock;
    const stream = iterate(feedOf(clock));
    await take(stream, 1);
    const quiet = stream.next();
    await expect.poll(() => timers.length).toBe(1);
    timers.shift()?.();
    expect((await quiet).value).toBe(": still here\n\n");
  });

  it("puts something in the place of an event that is too large", async () => {
    const feed = feedOf();
    const stream = iterate(feed);
    feed.publish("peer", { ...peer(1), name: "x".repeat(100_000) });
    feed.publish("peer", peer(2));
    expect(names(await take(stream, 3))).toEqual(["ready", "missed", "n2"]);
  });
});

describe("an event as text", () => {
  it("is one event whatever its data hold", () => {
    const text = fc.string({ unit: fc.constantFrom(...HOSTILE_CHARACTERS), maxLength: 60 });
    fc.assert(
      fc.property(text, (name) => {
        const { event, data } = read(eventText("peer", { ...peer(0), name }, "a-1"));
        expect([event, data.name]).toEqual(["peer", name]);
      }),
    );
    const evil = "x\n\nevent: healing\ndata: {}\r\r\u2028\u0085";
    expect(eventText("peer", { ...peer(0), name: evil }).split("\n")).toHaveLength(4);
  });

  it("has the shape that the contract names, and nothing else", () => {
    const more = { ...peer(0), secret: "no" };
    expect(eventText("peer", more)).not.toContain("secret");
    const all = Object.keys(NODE_EVENTS) as NodeEventName[];
    expect(all.sort()).toEqual(["healing", "incident", "missed", "peer", "ready"]);
  });
});
