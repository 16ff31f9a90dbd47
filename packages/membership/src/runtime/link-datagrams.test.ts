import { type NodeId, silentLogger } from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { ManualClock, settle } from "@hearthmesh/qwormhole/testing";
import { describe, expect, it } from "vitest";
import { id } from "../testing/wire-fixtures.js";
import {
  LINK_DATAGRAMS_OPEN_MAX,
  LINK_DATAGRAMS_WAITING_MAX,
  LINK_DIAL_MS_MAX,
  LINK_DIALS_MAX,
  LINK_RETRY_MS_MAX,
} from "./limits.js";
import { LinkDatagrams } from "./link-datagrams.js";

/** Links whose requests and dials end when the test says so. */
function makeLinks() {
  const state = { open: undefined as Link | undefined, sent: [] as number[], dials: 0 };
  const answers: (() => void)[] = [];
  let settleDial: { resolve: (link: Link) => void; reject: (error: Error) => void }[] = [];
  const link = {
    peer: { nodeId: id(1) },
    request: (_: string, body: Uint8Array) => {
      state.sent.push(body[0] as number);
      return new Promise((resolve) => answers.push(() => resolve(new Uint8Array(0))));
    },
  } as unknown as Link;
  const links = {
    openLink: () => state.open,
    openLinks: () => [],
    onLink: () => () => undefined,
    linkTo: (_: NodeId, { signal }: { signal?: AbortSignal } = {}) => {
      state.dials++;
      return new Promise<Link>((resolve, reject) => {
        settleDial.push({ resolve, reject });
        signal?.addEventListener("abort", () => reject(new Error("given up")));
      });
    },
  };
  const clock = new ManualClock();
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.99 };
  const dialled: Link[] = [];
  const onDialled = (opened: Link) => dialled.push(opened);
  const parts = { links, clock, random, log: silentLogger, onDialled };
  const datagrams = new LinkDatagrams(parts);
  const settled = async (how: (dial: (typeof settleDial)[number]) => void) => {
    for (const dial of settleDial) how(dial);
    settleDial = [];
    await settle();
  };
  return {
    ...{ state, link, datagrams, clock, dialled, answers },
    reachable: () => settled(({ resolve }) => resolve(link)),
    unreachable: () => settled(({ reject }) => reject(new Error("nobody is there"))),
  };
}

const bytes = (number: number) => Uint8Array.of(number);

describe("datagrams on links", () => {
  it("go over an open link at once, and never more than so many without an answer", async () => {
    const { state, link, datagrams, answers } = makeLinks();
    state.open = link;
    for (let sent = 0; sent < 100; sent++) datagrams.send(id(1), bytes(sent), false);
    await settle();
    expect(state.sent).toHaveLength(LINK_DATAGRAMS_OPEN_MAX);
    for (const answer of answers.splice(0)) answer();
    await settle();
    datagrams.send(id(1), bytes(200), false);
    await settle();
    expect(state.sent.at(-1)).toBe(200);
  });

  it("wait for a link that is opened for them, the last ones alone", async () => {
    const { state, datagrams, dialled, reachable } = makeLinks();
    datagrams.send(id(1), bytes(1), false);
    expect(state.dials).toBe(0);
    for (const number of [1, 2, 3, 4, 5, 6]) datagrams.send(id(1), bytes(number), true);
    expect(state.dials).toBe(1);
    await reachable();
    expect(state.sent).toEqual([3, 4, 5, 6].slice(-LINK_DATAGRAMS_WAITING_MAX));
    expect(dialled).toHaveLength(1);
  });

  it("do not make a node that is gone be dialled all the time", async () => {
    const { state, datagrams, clock, unreachable } = makeLinks();
    for (let second = 0; second < 60; second++) {
      datagrams.send(id(1), bytes(1), true);
      await unreachable();
      await clock.advance(1000);
    }
    expect(state.dials).toBeGreaterThan(60_000 / LINK_RETRY_MS_MAX / 2);
    expect(state.dials).toBeLessThan(20);
  });

  it("give a dial up after its time, and begin few at once", async () => {
    const { state, datagrams, clock } = makeLinks();
    for (let node = 1; node <= 30; node++) datagrams.ensure(id(node));
    expect(state.dials).toBe(LINK_DIALS_MAX);
    await clock.advance(LINK_DIAL_MS_MAX);
    expect(datagrams.ensure(id(20))).toBe(true);
    expect(state.dials).toBe(LINK_DIALS_MAX + 1);
    datagrams.stop();
    await settle();
    expect(datagrams.ensure(id(21))).toBe(false);
    expect(clock.timers).toBe(0);
  });
});
