/** The links that ship, over the simulated network and clock. */
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { dialLink, type Link, type LinkOptions, listenLinks } from "@hearthmesh/qwormhole";
import { describe, expect, it } from "vitest";
import { contentOf } from "./content.js";
import { seededRandom } from "./seeded-random.js";
import { createTrace } from "./trace.js";
import { virtualClock } from "./virtual-clock.js";
import { VirtualNetwork } from "./virtual-network.js";
import { wanProfile } from "./virtual-path.js";

async function linked(seed: string) {
  const clock = virtualClock({ startMs: 0 });
  const random = seededRandom(seed);
  const trace = createTrace({ clock });
  const network = new VirtualNetwork({ clock, random, trace, profile: wanProfile });
  const run = <Value>(work: Promise<Value>) => clock.runUntilSettled(work, 600_000);
  const options = (name: string, handlers: LinkOptions["handlers"]): LinkOptions => {
    const keys = generateKeyPair(random.fork(name));
    const publicKey = publicKeyDerOf(keys.publicKeyPem);
    const identity = { publicKey, sign: signerOf(keys.privateKeyPem) };
    return { identity, handlers, clock: clock.view(), random: random.fork(`${name} link`) };
  };
  const address = { host: "beta", port: 9000 };
  const accepted: Link[] = [];
  const server = options("beta", {
    onRequest: async ({ body }) => Buffer.from(body).reverse(),
    onStream: async (stream) => {
      for await (const bytes of stream.readable) await stream.write(bytes);
      stream.end();
    },
  });
  await run(listenLinks(network.transport("beta"), address, server, (link) => accepted.push(link)));
  const link = await run(dialLink(network.transport("alpha"), address, options("alpha", {})));
  await run(new Promise<void>((resolve) => clock.setTimeout(resolve, 1000)));
  return { clock, network, trace, run, link, accepted };
}

describe("a link under simulation", () => {
  it("answers requests and carries streams over a lossy line", async () => {
    const { run, link } = await linked("works");
    const answer = await run(link.request("turn", Buffer.from("abc")));
    expect(Buffer.from(answer).toString()).toBe("cba");
    const sent = contentOf("stream", 3_000_000);
    const stream = await run(link.openStream("echo", new Uint8Array()));
    const received: Uint8Array[] = [];
    const reading = (async () => {
      for await (const bytes of stream.readable) received.push(bytes);
    })();
    await run(stream.write(sent));
    stream.end();
    await run(reading);
    expect(Buffer.compare(Buffer.concat(received), sent)).toBe(0);
  });

  it("notices on both sides within 3 s that the other is gone without a word", async () => {
    const { clock, network, link, accepted } = await linked("silence");
    const closedAtMs: number[] = [];
    for (const one of [link, ...accepted]) {
      void one.closed.then(() => closedAtMs.push(clock.monotonicMs()));
    }
    const cutAtMs = clock.monotonicMs();
    network.partition(["alpha"], ["beta"]);
    await clock.runFor(10_000);
    expect(closedAtMs).toHaveLength(2);
    for (const atMs of closedAtMs) expect(atMs - cutAtMs).toBeLessThanOrEqual(4000);
  });

  it("does the same in every run of a seed", async () => {
    const outcome = async () => {
      const { clock, run, trace, link } = await linked("same");
      for (let index = 0; index < 20; index++) {
        await run(link.request("turn", contentOf(String(index), 10_000)));
      }
      await clock.runFor(60_000);
      return `${trace.count} ${trace.hash()}`;
    };
    expect(await outcome()).toBe(await outcome());
  });
});
