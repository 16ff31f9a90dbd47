import type { Channel } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { seededRandom } from "./seeded-random.js";
import { createTrace } from "./trace.js";
import { virtualClock } from "./virtual-clock.js";
import { SILENCE_MS_MAX } from "./virtual-flow.js";
import { VirtualNetwork } from "./virtual-network.js";
import type { PathProfile } from "./virtual-path.js";

const plain: PathProfile = { delayMs: 10, jitterMs: 0, bytesPerSecond: 1e9, loss: 0 };

function setUp(profile: PathProfile = plain, seed = "network") {
  const clock = virtualClock({ startMs: 0 });
  const trace = createTrace({ clock });
  const network = new VirtualNetwork({ clock, random: seededRandom(seed), profile, trace });
  const run = <Value>(work: Promise<Value>) => clock.runUntilSettled(work, 600_000);
  return { clock, network, trace, run };
}

interface End {
  channel: Channel;
  received: string;
  closed: { error: Error | undefined; atMs: number } | undefined;
}

function watch(channel: Channel, clock: { monotonicMs(): number }): End {
  const end: End = { channel, received: "", closed: undefined };
  channel.setHandlers({
    onData: (bytes) => {
      end.received += Buffer.from(bytes).toString();
    },
    onDrain: () => undefined,
    onClose: (error) => {
      end.closed = { error, atMs: clock.monotonicMs() };
    },
  });
  return end;
}

async function connected(profile?: PathProfile, seed?: string) {
  const world = setUp(profile, seed);
  const { clock, network, run } = world;
  const accepted = new Promise<End>((resolve) => {
    void network
      .transport("beta", [Buffer.from("beta's")])
      .listen({ host: "any", port: 9000 }, (channel) => resolve(watch(channel, clock)));
  });
  const address = { host: "beta", port: 9000 };
  const channel = await run(network.transport("alpha", [Buffer.from("alpha's")]).dial(address));
  return { ...world, alpha: watch(channel, clock), beta: await run(accepted) };
}

const text = (value: string) => [Buffer.from(value)];

describe("a simulated connection", () => {
  it("takes two round trips, shows certificates and shares a binding", async () => {
    const { clock, alpha, beta } = await connected();
    expect(clock.monotonicMs()).toBe(40);
    expect(Buffer.from(alpha.channel.peerCertificates[0] ?? []).toString()).toBe("beta's");
    expect(Buffer.from(beta.channel.peerCertificates[0] ?? []).toString()).toBe("alpha's");
    expect(alpha.channel.binding).toEqual(beta.channel.binding);
    expect(alpha.channel.binding).toHaveLength(32);
    expect(alpha.channel.remoteAddress).toBe("beta:9000");
  });

  it("carries bytes both ways in order, and ends in order", async () => {
    const { clock, network, alpha, beta } = await connected();
    for (let index = 0; index < 10; index++) alpha.channel.write(text(`${index},`));
    beta.channel.write(text("hello"));
    alpha.channel.end();
    await clock.runFor(1000);
    expect(beta.received).toBe("0,1,2,3,4,5,6,7,8,9,");
    expect(alpha.received).toBe("hello");
    expect(alpha.closed).toMatchObject({ error: undefined });
    expect(beta.closed).toMatchObject({ error: undefined });
    expect(network.connectionCount).toBe(0);
  });

  it("takes as long as the bandwidth says", async () => {
    const { clock, alpha, beta } = await connected({ ...plain, bytesPerSecond: 1e6 });
    const startMs = clock.monotonicMs();
    alpha.channel.write([new Uint8Array(2e6)]);
    alpha.channel.end();
    await clock.runFor(60_000);
    expect(beta.closed?.atMs).toBeGreaterThan(startMs + 2000);
    expect(beta.closed?.atMs).toBeLessThan(startMs + 2500);
  });

  it("says when to wait, and when to go on, while the reader pauses", async () => {
    const { clock, alpha, beta } = await connected();
    let drained = 0;
    alpha.channel.setHandlers({ onData() {}, onClose() {}, onDrain: () => drained++ });
    beta.channel.pause();
    let written = 0;
    while (alpha.channel.write([new Uint8Array(100_000)])) written++;
    await clock.runFor(120_000);
    expect([beta.received.length, drained]).toEqual([0, 0]);
    expect(written).toBeLessThan(20);
    beta.channel.resume();
    await clock.runFor(1000);
    expect(beta.received.length).toBe((written + 1) * 100_000);
    expect([drained, alpha.channel.bufferedBytes]).toEqual([1, 0]);
  });

  it("keeps the order and loses nothing under loss, only later", async () => {
    const { clock, alpha, beta } = await connected({ ...plain, jitterMs: 50, loss: 0.3 }, "loss");
    let expected = "";
    for (let index = 0; index < 100; index++) {
      expected += `${index};`;
      alpha.channel.write(text(`${index};`));
    }
    await clock.runFor(60_000);
    expect(beta.received).toBe(expected);
  });

  it("ends a destroyed channel at once, or after what was on its way", async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 10; seed++) {
      const { clock, alpha, beta } = await connected(plain, `destroy ${seed}`);
      alpha.channel.write(text("on its way"));
      alpha.channel.destroy(new Error("no more"));
      await clock.runFor(100);
      expect(alpha.closed?.error?.message).toBe("no more");
      expect(beta.closed).toBeDefined();
      outcomes.add(`${beta.received} ${beta.closed?.error === undefined}`);
    }
    expect([...outcomes].sort()).toEqual([" false", "on its way true"]);
  });
});

describe("dialling", () => {
  it("is refused when nobody listens, and times out when nothing comes through", async () => {
    const { network, run } = setUp();
    const transport = network.transport("alpha");
    const address = { host: "beta", port: 1 };
    await expect(run(transport.dial(address))).rejects.toMatchObject({ code: "QW_DIAL_REFUSED" });
    network.cut("beta", "alpha");
    await expect(run(transport.dial(address, { timeoutMs: 3000 }))).rejects.toMatchObject({
      code: "QW_DIAL_TIMEOUT",
    });
  });

  it("can be cancelled", async () => {
    const { network, run } = setUp();
    network.losePower("beta");
    const controller = new AbortController();
    const { signal } = controller;
    const dial = network.transport("alpha").dial({ host: "beta", port: 1 }, { signal });
    controller.abort();
    await expect(run(dial)).rejects.toMatchObject({ code: "QW_CANCELLED" });
  });

  it("takes a port once, and gives a free one for 0", async () => {
    const { network, run } = setUp();
    const transport = network.transport("alpha");
    const first = await run(transport.listen({ host: "", port: 9000 }, () => undefined));
    await expect(
      run(transport.listen({ host: "", port: 9000 }, () => undefined)),
    ).rejects.toMatchObject({ code: "QW_ADDRESS_IN_USE" });
    await first.close();
    await run(transport.listen({ host: "", port: 9000 }, () => undefined));
    const any = await run(transport.listen({ host: "", port: 0 }, () => undefined));
    expect(any.address.port).toBeGreaterThan(1024);
  });
});

describe("trouble", () => {
  it("holds bytes back during a partition and delivers them after it", async () => {
    const { clock, network, alpha, beta } = await connected();
    network.partition(["alpha"], ["beta"]);
    alpha.channel.write(text("held"));
    await clock.runFor(10_000);
    expect(beta.received).toBe("");
    network.heal();
    await clock.runFor(6000);
    expect(beta.received).toBe("held");
  });

  it("ends a cut when everybody who made it has mended it", async () => {
    const { clock, network, alpha, beta } = await connected();
    network.partition(["alpha"], ["beta", "gamma"]);
    network.cut("alpha", "beta");
    network.unite(["alpha"], ["beta", "gamma"]);
    alpha.channel.write(text("held"));
    await clock.runFor(10_000);
    expect(beta.received).toBe("");
    network.mend("alpha", "beta");
    await clock.runFor(6000);
    expect(beta.received).toBe("held");
  });

  it("delivers requests whose answers are lost when only the way back is cut", async () => {
    const { clock, network, alpha, beta } = await connected();
    network.cut("beta", "alpha");
    alpha.channel.write(text("request"));
    await clock.runFor(1000);
    beta.channel.write(text("answer"));
    await clock.runFor(1000);
    expect([beta.received, alpha.received]).toEqual(["request", ""]);
    await clock.runFor(SILENCE_MS_MAX);
    expect(alpha.closed?.error).toMatchObject({ code: "QW_LINK_LOST" });
  });

  it("leaves a half-open connection when a machine loses its power", async () => {
    const { clock, network, alpha, beta } = await connected();
    network.losePower("beta");
    await clock.runFor(600_000);
    expect(alpha.closed).toBeUndefined();
    alpha.channel.write(text("anybody?"));
    await clock.runFor(SILENCE_MS_MAX + 1000);
    expect(alpha.closed?.error).toMatchObject({ code: "QW_LINK_LOST" });
    expect(beta.closed).toBeUndefined();
    expect(network.connectionCount).toBe(0);
  });

  it("resets who still writes to a machine that came back", async () => {
    const { clock, network, alpha } = await connected();
    network.losePower("beta");
    alpha.channel.write(text("anybody?"));
    await clock.runFor(1000);
    network.bootHost("beta");
    await clock.runFor(6000);
    expect(alpha.closed?.error).toMatchObject({ code: "QW_LINK_LOST" });
  });

  it("resets the peers of a killed process at once, whose own code hears nothing", async () => {
    const { clock, network, alpha, beta } = await connected();
    network.killProcess("beta");
    await clock.runFor(100);
    expect(alpha.closed?.error).toMatchObject({ code: "QW_LINK_LOST" });
    expect(beta.closed).toBeUndefined();
    beta.channel.write(text("from the grave"));
    await clock.runFor(100);
    expect(alpha.received).toBe("");
  });

  it("never answers a transport whose process is dead", async () => {
    const { clock, network } = setUp();
    const transport = network.transport("alpha");
    network.killProcess("alpha");
    let answered = false;
    const noteAnswer = () => {
      answered = true;
    };
    void transport.dial({ host: "beta", port: 1 }).then(noteAnswer, noteAnswer);
    await clock.runFor(60_000);
    expect(answered).toBe(false);
  });

  it("delivers late to a stalled host", async () => {
    const { clock, network, alpha, beta } = await connected();
    network.stall("beta", 5000);
    alpha.channel.write(text("x"));
    await clock.runFor(4999);
    expect(beta.received).toBe("");
    await clock.runFor(10);
    expect(beta.received).toBe("x");
  });

  it("breaks the connections between two hosts on demand", async () => {
    const { clock, network, alpha, beta } = await connected();
    expect(network.resetConnections("beta", "alpha")).toBe(1);
    await clock.runFor(1);
    expect([alpha.closed?.error?.name, beta.closed?.error?.name]).toEqual([
      "QWormholeError",
      "QWormholeError",
    ]);
  });
});

describe("the same seed", () => {
  it("delivers at the same times", async () => {
    const outcome = async (seed: string) => {
      const world = await connected(
        { delayMs: 5, jitterMs: 20, bytesPerSecond: 1e6, loss: 0.1 },
        seed,
      );
      for (let index = 0; index < 50; index++) world.alpha.channel.write(text("x".repeat(5000)));
      await world.clock.runFor(60_000);
      return world.trace.hash();
    };
    expect(await outcome("1")).toBe(await outcome("1"));
    expect(await outcome("1")).not.toBe(await outcome("2"));
  });
});
