import type { NodeId, Timer } from "@hearthmesh/core";
import type { OpenLink } from "@hearthmesh/membership";
import { beforeEach, describe, expect, it } from "vitest";
import { SHORTER_PAUSE_MS, SHORTER_PAUSE_MS_MAX } from "./limits.js";
import { ShorterWays } from "./shorter-ways.js";
import { isYggdrasilAddress } from "./yggdrasil-key.js";

const [LOW, MIDDLE, HIGH] = ["a", "m", "z"] as NodeId[] as [NodeId, NodeId, NodeId];
const THERE = "[200:bf88::44bf]:9000";

describe("a link over the overlay", () => {
  let nowMs: number;
  let open: OpenLink[];
  let addresses: string[];
  let answers: string[];
  let dialled: string[];
  let ways: ShorterWays;
  const link = (nodeId: NodeId, remoteAddress: string, kind: OpenLink["kind"] = "direct") =>
    ({ kind, via: [], link: { peer: { nodeId, remoteAddress } } }) as unknown as OpenLink;

  beforeEach(() => {
    nowMs = 0;
    open = [link(HIGH, "[200:bf88::44bf]:40000")];
    addresses = ["10.0.0.9:9000", "home.example:9000", THERE];
    answers = [];
    dialled = [];
    ways = new ShorterWays({
      self: MIDDLE,
      overlay: { contains: isYggdrasilAddress },
      links: { openLinks: () => open },
      peer: () => ({ linkAddresses: addresses }),
      doors: {
        dial: async ({ host, port }, { expectedNodeId }) => {
          const who = expectedNodeId === HIGH ? "" : ` of ${expectedNodeId}`;
          dialled.push(`${host}:${port}${who}`);
          if (!answers.includes(host)) throw new Error("nobody listens");
          return {} as never;
        },
      },
      clock: {
        monotonicMs: () => nowMs,
        setTimeout: () => ({ cancel: () => undefined }) as Timer,
      } as never,
      random: { float: () => 0.5, bytes: () => new Uint8Array() },
    });
  });

  it("is tried without it, each other address in turn until one answers", async () => {
    await ways.look();
    expect(dialled).toEqual(["10.0.0.9:9000", "home.example:9000"]);
    answers = ["10.0.0.9"];
    nowMs += SHORTER_PAUSE_MS;
    dialled = [];
    await ways.look();
    expect(dialled).toEqual(["10.0.0.9:9000"]);
  });

  it("is tried in growing pauses, and anew when there are other addresses", async () => {
    const times: number[] = [];
    for (; nowMs < 4 * SHORTER_PAUSE_MS_MAX; nowMs += 1_000) {
      const before = dialled.length;
      await ways.look();
      if (dialled.length > before) times.push(nowMs);
    }
    const pauses = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(pauses.slice(0, 3)).toEqual([1, 2, 4].map((times) => times * SHORTER_PAUSE_MS));
    expect(pauses.at(-1)).toBe(SHORTER_PAUSE_MS_MAX);
    dialled = [];
    addresses = ["192.168.1.9:9000", THERE];
    await ways.look();
    expect(dialled).toEqual(["192.168.1.9:9000"]);
  });

  it("is left alone by the end with the higher id, and without other addresses", async () => {
    open = [link(LOW, "[200:bf88::44bf]:40000")];
    await ways.look();
    open = [link(HIGH, "10.0.0.9:40000"), link(HIGH, "[200:bf88::44bf]:40000", "relayed")];
    await ways.look();
    open = [link(HIGH, "[200:bf88::44bf]:40000")];
    addresses = [THERE, "nonsense", "[200:bf88::1]"];
    await ways.look();
    expect(dialled).toEqual([]);
  });
});
